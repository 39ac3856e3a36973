// What settings and system allow this process: told at the start, and watched.
#pragma once

#include <cstdint>

#include "absl/status/status.h"
#include "base/log.h"
#include "env/executor.h"

namespace holdfast::app {

// Says which quota of the backend is in force (OPS-16; etcd server/storage/quota.go).
void report_quota(Logger& log, int64_t configured_bytes);

// FailedPrecondition when the process may not open enough files to serve anybody (FLG-12).
absl::Status check_descriptor_limit();

// Warns when four fifths of the file descriptors are in use: now and every ten minutes (OPS-15).
// Threading: on `executor`, with which it ends.
void watch_descriptors(env::Executor& executor, Logger& log);

}  // namespace holdfast::app
