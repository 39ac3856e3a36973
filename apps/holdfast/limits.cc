#include "apps/holdfast/limits.h"

#include "apply/quota.h"
#include "base/errors.h"
#include "base/text.h"
#include "fmt/format.h"
#include "net/listener.h"
#include "os/process_metrics.h"

namespace holdfast::app {
namespace {

constexpr env::Duration kDescriptorsInterval = std::chrono::minutes(10);
constexpr std::string_view kQuotaName = "v3-applier";

}  // namespace

void report_quota(Logger& log, int64_t configured_bytes) {
  const int64_t limit = apply::Quota(configured_bytes).limit_bytes();
  if (configured_bytes < 0) {
    log.info("disabled backend quota", {{"quota-name", kQuotaName}, {"quota-size-bytes", configured_bytes}});
    return;
  }
  if (limit > apply::kQuotaBytesSuggestedMax)
    log.warn("quota exceeds the maximum value", {{"quota-name", kQuotaName},
                                                 {"quota-size-bytes", limit},
                                                 {"quota-size", human_bytes(limit)},
                                                 {"quota-maximum-size-bytes", apply::kQuotaBytesSuggestedMax},
                                                 {"quota-maximum-size", human_bytes(apply::kQuotaBytesSuggestedMax)}});
  log.info(configured_bytes == 0 ? "enabled backend quota with default value" : "enabled backend quota",
           {{"quota-name", kQuotaName}, {"quota-size-bytes", limit}, {"quota-size", human_bytes(limit)}});
}

absl::Status check_descriptor_limit() {
  const uint64_t limit = os::descriptor_limit();
  if (limit > net::kReservedFiles) return absl::OkStatus();
  return make_status(absl::StatusCode::kFailedPrecondition,
                     fmt::format("file descriptor limit of etcd process is too low; please set higher (limit {}, more "
                                 "than {} are needed)", limit, net::kReservedFiles));
}

void watch_descriptors(env::Executor& executor, Logger& log) {
  const os::ProcessUsage usage = os::read_process_usage();
  if (usage.open_descriptors >= usage.descriptors_max / 5 * 4)
    log.warn("80% of file descriptors are used", {{"used", usage.open_descriptors}, {"limit", usage.descriptors_max}});
  executor.post_after(kDescriptorsInterval, [&executor, &log] { watch_descriptors(executor, log); });
}

}  // namespace holdfast::app
