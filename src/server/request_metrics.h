// Proposals pending and failed, and how long requests take from proposal to result (parity MET-06, MET-08, PUT-25).
// Thread-safe.
#pragma once

#include <mutex>
#include <string_view>

#include "absl/container/flat_hash_map.h"
#include "env/clock.h"
#include "env/metrics.h"
#include "server/request_path.h"

namespace holdfast::server {

// The name of a request in etcd_server_request_duration_seconds: the Go type's without "Request".
std::string_view name(Command command);

class RequestMetrics {
 public:
  explicit RequestMetrics(env::Metrics& metrics);

  void on_proposed() { pending_.add(1); }
  enum class Outcome : uint8_t { result, gave_up };
  // `gave_up`: the proposer stopped waiting (time-out, stop), which counts as a failed proposal.
  void on_answered(Command command, env::Duration took, bool success, Outcome outcome);

 private:
  struct Durations {
    env::Histogram* success;
    env::Histogram* failure;
  };
  env::Gauge& pending_;
  env::Counter& failed_;
  absl::flat_hash_map<Command, Durations> durations_;  // constant after construction
};

}  // namespace holdfast::server
