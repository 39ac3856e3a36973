#include "apps/holdfastutl/migrate.h"

#include "backend/backend.h"
#include "backend/bbolt_writer.h"
#include "base/errors.h"
#include "fmt/format.h"
#include "membership/cluster.h"
#include "membership/v2_store.h"
#include "wal/record.h"
#include "wal/snap_file.h"

namespace holdfast::utl {

namespace {

using backend::Bucket;

absl::Status write_database(Console& console, backend::Engine::Reader& state,
                            const std::string& path) {
  if (absl::Status s = console.files.remove_all(path); !s.ok()) return s;
  auto file = console.files.open(path, env::OpenMode::create);
  if (!file.ok()) return file.status();
  backend::BboltWriter writer(state);
  std::string piece(1 << 20, '\0');
  uint64_t written = 0;
  while (const size_t n = writer.read(piece)) {
    if (absl::Status s = (*file)->write_at(written, std::string_view(piece).substr(0, n)); !s.ok())
      return s;
    written += n;
  }
  return (*file)->sync();
}

absl::StatusOr<membership::Cluster> read_members(backend::Engine::Reader& state, ClusterId id) {
  membership::StoredRecords records;
  state.scan(Bucket::members, {}, {}, [&](std::string_view key, std::string_view value) {
    records.members.emplace_back(key, value);
    return true;
  });
  state.scan(Bucket::members_removed, {}, {}, [&](std::string_view key, std::string_view) {
    records.members_removed.emplace_back(key);
    return true;
  });
  std::string_view version;
  if (state.get(Bucket::cluster, membership::kClusterVersionKey, version))
    records.cluster_version = std::string(version);
  return membership::Cluster::from_records(id, records);
}

// So that no older member meets entries in the log that it doesn't know.
absl::Status note_snapshot(Console& console, const DataDir& dir, backend::Engine::Reader& state,
                           raft::SnapshotMetadata at) {
  auto opened = wal::Wal::open_newest(console.wal_world(), {}, dir.wal());
  if (!opened.ok()) return opened.status();
  auto metadata = wal::decode_metadata(opened->contents.metadata);
  if (!metadata.ok()) return metadata.status();
  auto cluster = read_members(state, metadata->cluster_id);
  if (!cluster.ok()) return cluster.status();
  if (at.index <= opened->from.index) return opened->wal->close();
  at.conf_state = cluster->conf_state();
  raft::Snapshot snapshot{SharedBytes(membership::to_v2_store_json(*cluster)), at};
  wal::Snapshotter snapshotter(console.wal_world(), dir.snap());
  if (absl::Status s = snapshotter.save_snap(snapshot); !s.ok()) return s;
  if (absl::Status s = opened->wal->save_snapshot({at.index, at.term, at.conf_state}); !s.ok())
    return s;
  // A snapshot counts only up to the commit index that the log knows; what is applied is committed.
  raft::HardState hard_state = opened->contents.hard_state;
  hard_state.commit = std::max(hard_state.commit, at.index);
  if (absl::Status s = opened->wal->save(hard_state, {}, wal::Sync::always); !s.ok()) return s;
  return opened->wal->close();
}

}  // namespace

absl::Status migrate_to_etcd(Console& console, const DataDir& dir) {
  auto engine = open_backend(console, dir);
  if (!engine.ok()) return engine.status();
  auto state = (*engine)->make_reader();
  state->begin();
  raft::SnapshotMetadata at;
  const backend::ConsistentIndex progress = backend::read_consistent_index(*state);
  at.index = Index(progress.index);
  at.term = Term(progress.term);
  const std::string database = dir.snap() + "/db";
  // Removed by the next start of etcd or holdfast if this is interrupted (DIR-03).
  const std::string temporary = database + ".tmp-holdfast";
  absl::Status status = write_database(console, *state, temporary);
  if (status.ok()) status = note_snapshot(console, dir, *state, at);
  state->end();
  state.reset();
  if (!status.ok()) return status;
  if (absl::Status s = console.files.rename(temporary, database); !s.ok()) return s;
  if (absl::Status s = console.files.sync_directory(dir.snap()); !s.ok()) return s;
  (*engine)->close();
  const std::string kept = fmt::format("{}.kept-{:016x}", dir.backend(), at.index.value);
  if (absl::Status s = console.files.rename(dir.backend(), kept); !s.ok()) return s;
  for (const char* suffix : {"-lock", ".guard"})
    (void)console.files.remove_all(dir.backend() + suffix);
  if (absl::Status s = console.files.sync_directory(dir.snap()); !s.ok()) return s;
  fmt::print("{} is etcd's now; holdfast's own file is kept as {}\n", dir.path, kept);
  return absl::OkStatus();
}

}  // namespace holdfast::utl
