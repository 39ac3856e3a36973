// The gauges of a simulated machine that a checker looks at; everything else counts nothing.
#pragma once

#include <map>
#include <string>

#include "env/metrics.h"

namespace holdfast::sim {

class SimMetrics final : public env::NullMetrics {
 public:
  env::Gauge& gauge(const std::string& name, const std::string& help, const env::Labels& labels) override {
    return labels.empty() ? gauges_[name] : NullMetrics::gauge(name, help, labels);
  }
  // A new process counts from nothing.
  void clear() {
    for (auto& [name, gauge] : gauges_) gauge.set(0);
  }
  // 0 if nobody set it.
  double value(const std::string& name) const {
    const auto found = gauges_.find(name);
    return found == gauges_.end() ? 0 : found->second.value;
  }

 private:
  struct Value : env::Gauge {
    void set(double v) override { value = v; }
    void add(double n) override { value += n; }
    double value = 0;
  };
  std::map<std::string, Value> gauges_;
};

}  // namespace holdfast::sim
