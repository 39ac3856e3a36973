// Where a member's life begins or goes on: looks at the data directory, founds a cluster or reads the log, and says what
// raft starts from (etcd server/etcdserver/bootstrap.go; parity 06 MEM-01..13, 07 DIR-01..06, WAL-14). Runs once, before
// any owner runs. Every refusal leaves the directory as it was.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "base/log.h"
#include "env/file_system.h"
#include "membership/cluster.h"
#include "raft/raw_node.h"
#include "raft/storage.h"
#include "server/cluster_finder.h"
#include "server/member_config.h"
#include "wal/wal.h"

namespace holdfast::server {

// Step 1: the directories exist, can be written and hold nothing foreign. `has_log`: this member has lived before.
struct DataDirectory {
  bool has_log = false;
  bool has_backend = false;
  bool has_etcd_database = false;  // to be taken over first: server/etcd_data.h
};
absl::StatusOr<DataDirectory> prepare_data_directory(env::FileSystem& files, Logger& log,
                                                     const MemberConfig& config);

// Step 2, before the backend is read: whose log this is. For a new member from the flags, otherwise from the log itself
// (MEM-13), which is opened, repaired if its tail is torn, and ready to be appended to.
struct Log {
  bool reopened = false;
  MemberId member;
  ClusterId cluster;
  std::unique_ptr<wal::Wal> wal;
  raft::SnapshotMetadata snapshot;  // what the log was opened from; no configuration
  wal::Contents contents;
  std::vector<raft::Peer> founders;  // of a new cluster, else empty
  std::vector<membership::Member> known_members;  // of a new member: before the log tells
  std::vector<membership::Member> remotes;        // of one that joins
};
// A new cluster by the flags alone, asking nobody. FailedPrecondition for a member that must ask.
absl::StatusOr<ClusterOrigin> origin_by_flags(const MemberConfig& config);
absl::StatusOr<Log> begin_log(const wal::World& world, const MemberConfig& config,
                              const ClusterOrigin& origin);
absl::StatusOr<Log> reopen_log(const wal::World& world, const MemberConfig& config);

// Before step 3, with --force-new-cluster: drops what is not committed and appends the removal of everybody else,
// committed by fiat (MEM-14, TRP-59). `conf_state` and `consistent_index` are the backend's.
absl::Status force_new_cluster(Log& log, Logger& logger, const raft::ConfState& conf_state,
                               Index consistent_index);

// Step 3: raft's storage. The configuration is the backend's, not the snapshot's (MEM-07). DataLoss if the backend is
// behind the snapshot (DIR-06), or has applied what the log does not hold.
absl::StatusOr<std::unique_ptr<raft::MemoryStorage>> make_raft_storage(
    const Log& log, const raft::ConfState& conf_state, Index consistent_index,
    const std::string& backend_path);

}  // namespace holdfast::server
