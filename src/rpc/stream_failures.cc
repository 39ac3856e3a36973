#include "rpc/stream_failures.h"

#include "base/errors.h"
#include "fmt/format.h"

namespace holdfast::rpc {

void StreamFailures::on_receive(std::string_view api, std::string_view request, const absl::Status& reason) const {
  if (reason.code() == absl::StatusCode::kCancelled || reason.code() == absl::StatusCode::kDeadlineExceeded ||
      reason.code() == absl::StatusCode::kUnavailable)
    return;
  log_.warn(fmt::format("failed to receive {} request from gRPC stream", request), {{"error", message(reason)}});
  metrics_
      .counter("etcd_network_server_stream_failures_total", "The total number of stream failures from the local server.",
               {{"Type", "receive"}, {"API", std::string(api)}})
      .increment();
}

}  // namespace holdfast::rpc
