// Metrics as the server's parts see them: handles obtained once, by name and labels, then updated from any thread.
// The registry behind them (prometheus-cpp in production, a map in tests) renders the text. Asking twice for the same
// name and labels gives the same series. Names, types and labels are a contract (parity section 8).
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

namespace holdfast::env {

class Counter {
 public:
  virtual ~Counter() = default;
  virtual void add(double n) = 0;
  void increment() { add(1); }
};

class Gauge {
 public:
  virtual ~Gauge() = default;
  virtual void set(double v) = 0;
  virtual void add(double n) = 0;
};

class Histogram {
 public:
  virtual ~Histogram() = default;
  virtual void observe(double v) = 0;  // seconds unless the name says otherwise
};

using Labels = std::vector<std::pair<std::string, std::string>>;

// `count` bounds: start, start*factor, ...
std::vector<double> exponential_buckets(double start, double factor, int count);

class Metrics {
 public:
  virtual ~Metrics() = default;
  // The references live as long as the registry.
  virtual Counter& counter(const std::string& name, const std::string& help, const Labels& labels = {}) = 0;
  virtual Gauge& gauge(const std::string& name, const std::string& help, const Labels& labels = {}) = 0;
  virtual Histogram& histogram(const std::string& name, const std::string& help,
                               const std::vector<double>& buckets, const Labels& labels = {}) = 0;
};

// Counts nothing; for tests and simulation.
class NullMetrics : public Metrics {
 public:
  Counter& counter(const std::string&, const std::string&, const Labels&) override;
  Gauge& gauge(const std::string&, const std::string&, const Labels&) override;
  Histogram& histogram(const std::string&, const std::string&, const std::vector<double>&,
                       const Labels&) override;

 private:
  struct NullCounter : Counter {
    void add(double) override {}
  } counter_;
  struct NullGauge : Gauge {
    void set(double) override {}
    void add(double) override {}
  } gauge_;
  struct NullHistogram : Histogram {
    void observe(double) override {}
  } histogram_;
};

}  // namespace holdfast::env
