#include "server/startup_defragmentation.h"

#include "base/text.h"

namespace holdfast::server {

absl::Status defragment_at_start(backend::Engine& engine, uint64_t threshold_bytes, Logger& log) {
  if (threshold_bytes == 0) return absl::OkStatus();
  const backend::EngineSizes sizes = engine.sizes();
  const auto freeable = static_cast<uint64_t>(sizes.file_bytes - sizes.in_use_bytes);
  if (freeable >= threshold_bytes) return engine.defragment();
  log.info("Skipping defragmentation",
           {{"current-db-size-bytes", sizes.file_bytes},
            {"current-db-size", human_bytes(sizes.file_bytes)},
            {"current-db-size-in-use-bytes", sizes.in_use_bytes},
            {"current-db-size-in-use", human_bytes(sizes.in_use_bytes)},
            {"bootstrap-defrag-threshold-bytes", threshold_bytes},
            {"bootstrap-defrag-threshold", human_bytes(static_cast<int64_t>(threshold_bytes))}});
  return absl::OkStatus();
}

}  // namespace holdfast::server
