// What V3Server's source files share: its series (reads pass through no log: MET-08, MET-09,
// MET-11) and small things.
#pragma once

#include <memory>
#include <utility>

#include "env/clock.h"
#include "env/metrics.h"
#include "server/v3_server.h"

namespace holdfast::server {

inline void fail(ProposalDone& done, absl::Status status) {
  auto result = std::make_unique<apply::Result>();
  result->status = std::move(status);
  done(std::move(result));
}

struct V3Server::Metrics {
  struct Durations {
    env::Histogram& success;
    env::Histogram& failure;
    void observe(env::Duration took, bool succeeded) const {
      (succeeded ? success : failure).observe(static_cast<double>(took.count()) / 1e9);
    }
  };

  explicit Metrics(env::Metrics& metrics)
      : range{request(metrics, "Range", "true"), request(metrics, "Range", "false")},
        read_only_txn{request(metrics, "ReadonlyTxn", "true"),
                      request(metrics, "ReadonlyTxn", "false")},
        store_range{store(metrics, "true"), store(metrics, "false")},
        slow(metrics.counter(
            "etcd_server_slow_apply_total",
            "The total number of slow apply requests (likely overloaded from slow disk).")),
        quota_bytes(metrics.gauge("etcd_server_quota_backend_bytes",
                                  "Current backend storage quota size in bytes.")) {}

  Durations range;
  Durations read_only_txn;
  Durations store_range;  // of one range on the store, without the read index
  env::Counter& slow;
  env::Gauge& quota_bytes;

 private:
  static env::Histogram& request(env::Metrics& metrics, const char* type, const char* success) {
    return metrics.histogram(
        "etcd_server_request_duration_seconds", "Seconds from proposing a request to its result.",
        env::exponential_buckets(0.001, 2, 14), {{"type", type}, {"success", success}});
  }
  static env::Histogram& store(env::Metrics& metrics, const char* success) {
    return metrics.histogram("etcd_server_range_duration_seconds",
                             "The latency distributions of txn.Range",
                             env::exponential_buckets(0.0001, 2, 20), {{"success", success}});
  }
};

}  // namespace holdfast::server
