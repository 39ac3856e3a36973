// MET-27's and MET-31's series of watches; shared by all hubs.
#pragma once

#include "env/metrics.h"

namespace holdfast::mvcc {

struct WatchMetrics {
  explicit WatchMetrics(env::Metrics& metrics);

  env::Gauge& streams;
  env::Gauge& watchers;
  env::Gauge& slow_watchers;
  env::Counter& events;
  // Handing one revision, or one slice of the past, to all its watchers of a hub; etcd times each response.
  env::Histogram& events_seconds;
  env::Histogram& seconds_per_event;
  env::Histogram& control_seconds;
  env::Histogram& progress_seconds;
};

}  // namespace holdfast::mvcc
