// --bootstrap-defrag-threshold-megabytes: a backend that has much free space is rewritten before it serves (etcd
// server/etcdserver/bootstrap.go maybeDefragBackend; parity F-101).
#pragma once

#include <cstdint>

#include "absl/status/status.h"
#include "backend/engine.h"
#include "base/log.h"

namespace holdfast::server {

// Defragments `engine` if that frees at least `threshold_bytes`; 0: never. Waits for the disk. By the engine's commit owner.
absl::Status defragment_at_start(backend::Engine& engine, uint64_t threshold_bytes, Logger& log);

}  // namespace holdfast::server
