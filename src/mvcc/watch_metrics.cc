#include "mvcc/watch_metrics.h"

namespace holdfast::mvcc {
namespace {

env::Histogram& seconds(env::Metrics& metrics, const char* what, const char* help) {
  return metrics.histogram(std::string("etcd_debugging_server_watch_send_loop_") + what + "_seconds", help,
                           env::exponential_buckets(0.001, 2, 14));
}

}  // namespace

WatchMetrics::WatchMetrics(env::Metrics& metrics)
    : streams(metrics.gauge("etcd_debugging_mvcc_watch_stream_total", "Total number of watch streams.")),
      watchers(metrics.gauge("etcd_debugging_mvcc_watcher_total", "Total number of watchers.")),
      slow_watchers(metrics.gauge("etcd_debugging_mvcc_slow_watcher_total",
                                  "Total number of unsynced slow watchers.")),
      events(metrics.counter("etcd_debugging_mvcc_events_total",
                             "Total number of events sent by this member.")),
      events_seconds(seconds(metrics, "watch_stream_duration", "The total duration in seconds of the watch stream send loop.")),
      seconds_per_event(seconds(metrics, "watch_stream_duration_per_event",
                                "The average duration per event in seconds of the watch stream send loop.")),
      control_seconds(seconds(metrics, "control_stream_duration",
                              "The total duration in seconds of the control stream send loop.")),
      progress_seconds(seconds(metrics, "progress_duration",
                               "The total duration in seconds of the progress notification send loop.")) {}

}  // namespace holdfast::mvcc
