// Whether the database of a data directory that etcd wrote names the members of the cluster that its log is of. It may
// name strangers: what etcdctl 3.4 restores from a snapshot keeps the members of the cluster that the snapshot is from.
// Before 3.5 the v2 store counted, in the .snap file and in the log behind it; the database's buckets only followed.
#pragma once

#include <optional>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "backend/engine.h"
#include "membership/cluster.h"
#include "server/bootstrap.h"

namespace holdfast::server {

// The members at the index `until`: those of the v2 store in `snapshot`, behind which `log` begins, and what the log
// changes. Nothing if that store doesn't name those whom the snapshot's configuration names.
std::optional<membership::Cluster> members_by_v2_store(const raft::Snapshot& snapshot, const Log& log, Index until);

// Puts the members of the v2 store in the place of those in the engine, whose state is that of `until`, if they are
// others: true then. FailedPrecondition if there are only strangers and the v2 store is no help.
absl::StatusOr<bool> correct_members(backend::Engine& engine, const raft::Snapshot& snapshot, const Log& log,
                                     Index until);

}  // namespace holdfast::server
