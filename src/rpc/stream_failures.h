// Streams that ended because of what came in on them, and not because their client went away (MET-14; etcd v3rpc/metrics.go
// streamFailures). What etcd counts under "send" can't happen here: a session's write can't fail.
#pragma once

#include <string_view>

#include "absl/status/status.h"
#include "base/log.h"
#include "env/metrics.h"

namespace holdfast::rpc {

// Any thread. Series appear with their first failure, as etcd's do.
class StreamFailures {
 public:
  StreamFailures(env::Metrics& metrics, Logger& log) : metrics_(metrics), log_(log) {}

  // `api`: "watch" or "lease-keepalive". `request`: what the log calls its messages. Leaves out what a client did on
  // purpose: cancelled, or past its deadline.
  void on_receive(std::string_view api, std::string_view request, const absl::Status& reason) const;

 private:
  env::Metrics& metrics_;
  Logger& log_;
};

}  // namespace holdfast::rpc
