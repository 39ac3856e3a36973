// env::Metrics for production: series updated by atomics alone, and the text of GET /metrics in Prometheus' format
// 0.0.4, written as Go's client library writes it (families by name, series by labels, numbers in Go's %g), so that what
// reads etcd's page reads ours.
//
// Own code rather than prometheus-cpp: docs/decisions/0002.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "env/metrics.h"

namespace holdfast::os {

// Thread-safe. Asking for a name that exists with another type or other buckets ends the process: it is a slip in the
// code, seen at the first start.
class PrometheusMetrics final : public env::Metrics {
 public:
  static constexpr std::string_view kContentType = "text/plain; version=0.0.4; charset=utf-8";

  PrometheusMetrics();
  ~PrometheusMetrics() override;

  env::Counter& counter(const std::string& name, const std::string& help,
                        const env::Labels& labels = {}) override;
  env::Gauge& gauge(const std::string& name, const std::string& help,
                    const env::Labels& labels = {}) override;
  env::Histogram& histogram(const std::string& name, const std::string& help,
                            const std::vector<double>& buckets,
                            const env::Labels& labels = {}) override;

  // `refresh` runs before each page, to set what is read rather than counted (process_*). It may call the methods
  // above. Register before the first render().
  void before_render(std::function<void()> refresh);

  // The whole page.
  std::string render();

 private:
  class CounterSeries;
  class GaugeSeries;
  class HistogramSeries;
  using Series = std::variant<std::unique_ptr<CounterSeries>, std::unique_ptr<GaugeSeries>,
                              std::unique_ptr<HistogramSeries>>;
  struct Family {
    std::string help;
    size_t type;  // index into Series
    std::vector<double> buckets;
    std::map<std::string, Series> by_labels;  // key: the labels as they are printed, without braces
  };

  template <class T>
  T& series(const std::string& name, const std::string& help, const std::vector<double>& buckets,
            const env::Labels& labels);
  static void print(std::string& out, const std::string& name, const std::string& labels,
                    const Series& series);

  std::mutex mutex_;
  std::map<std::string, Family> families_;  // guarded by mutex_; series never move and never go
  std::vector<std::function<void()>> refreshes_;
};

// A number as Go's strconv prints it with 'g' and the fewest digits: "0", "0.001", "1.572864e+06", "+Inf".
std::string go_number(double value);

}  // namespace holdfast::os
