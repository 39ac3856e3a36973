// Takes over a data directory that etcd wrote (parity DIR-01, DIR-06, SNP-04, TRP-58, VER-04, VER-05). etcd's log and
// snapshot files are ours as they are; its database, member/snap/db, is read into our backend and then kept aside, as
// db.etcd-{consistent index}, so that etcd would not start again on a log that has gone on.
//
// A crash at any moment leaves one of two things: etcd's directory, with files of ours beside it that etcd passes over,
// or ours. The renaming of `db` is the last step; until then every start does it all again. What can't be taken over is
// found out before anything is written.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "absl/status/statusor.h"
#include "backend/engine.h"
#include "server/bootstrap.h"
#include "server/member_config.h"
#include "wal/wal.h"

namespace holdfast::server {

struct EtcdData {
  std::string database;       // member/snap/db
  std::string source;         // what to import: that, or the snapshot that etcd received and had not yet moved there
  Index consistent;           // of `source`
  raft::SnapshotMetadata at;  // the log's snapshot; no configuration
  std::optional<raft::Snapshot> snapshot;  // the .snap file of it, if it can be read
};

// Reads only. Errors: Unavailable (etcd still runs on it), DataLoss, FailedPrecondition (newer than we are, uses what we
// don't have, or holds data of the v2 API); with the path and the reason.
absl::StatusOr<EtcdData> examine_etcd_data(const wal::World& world, const MemberConfig& config);

// `log` is open, `engine` is the one at config.backend_path(), whatever is in it.
absl::StatusOr<std::unique_ptr<backend::Engine>> take_over_etcd_data(
    const EtcdData& data, const wal::World& world, const MemberConfig& config, const Log& log,
    std::unique_ptr<backend::Engine> engine);

}  // namespace holdfast::server
