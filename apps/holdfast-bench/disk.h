// What the disk costs a log at the least: write and fdatasync into a preallocated file, one after the other.
#pragma once

#include "absl/status/statusor.h"
#include "apps/holdfast-bench/load.h"
#include "env/file_system.h"

namespace holdfast::bench {

// Writes options.value_bytes at a time into a file of its own in options.folder, and removes it.
absl::StatusOr<Outcome> run_syncs(const Options& options, env::FileSystem& files, const env::Clock& clock);

}  // namespace holdfast::bench
