// From a snapshot's file to a backend.
#pragma once

#include <memory>
#include <string>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "backend/engine.h"
#include "base/log.h"
#include "env/file_system.h"
#include "raft/types.h"

namespace holdfast::server {

// Fills `successor`, durably, with the state that the bbolt file `path` holds: that of `snapshot`. Members before 3.5
// don't note the term and may note an older index (BKT-03): what is known from the snapshot goes in as well. Cancelled
// if `cancelled` says so.
absl::Status import_snapshot(env::FileSystem& files, const std::string& path,
                             const raft::SnapshotMetadata& snapshot, backend::Engine& successor,
                             absl::FunctionRef<bool()> cancelled);

// The consistent index that a state notes; 0: none.
Index consistent_index_of(backend::Engine& engine);

// At the start: a crash may have come between a received snapshot and its backend (SNP-04, TRP-54; etcd
// RecoverSnapshotBackend). If `engine` is behind the log's snapshot, the file that was received becomes the backend, if
// it is there.
absl::StatusOr<std::unique_ptr<backend::Engine>> recover_snapshot_backend(
    env::FileSystem& files, const std::string& snap_dir, const raft::SnapshotMetadata& snapshot,
    std::unique_ptr<backend::Engine> engine, Logger& log);

}  // namespace holdfast::server
