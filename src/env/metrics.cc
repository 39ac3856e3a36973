#include "env/metrics.h"

namespace holdfast::env {

std::vector<double> exponential_buckets(double start, double factor, int count) {
  std::vector<double> bounds;
  bounds.reserve(count);
  for (int i = 0; i < count; ++i, start *= factor) bounds.push_back(start);
  return bounds;
}

Counter& NullMetrics::counter(const std::string&, const std::string&, const Labels&) { return counter_; }
Gauge& NullMetrics::gauge(const std::string&, const std::string&, const Labels&) { return gauge_; }
Histogram& NullMetrics::histogram(const std::string&, const std::string&, const std::vector<double>&,
                                  const Labels&) {
  return histogram_;
}

}  // namespace holdfast::env
