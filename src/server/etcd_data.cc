#include "server/etcd_data.h"

#include "backend/bbolt_reader.h"
#include "base/errors.h"
#include "base/wire.h"
#include "fmt/format.h"
#include "membership/cluster.h"
#include "membership/v2_store.h"
#include "membership/version.h"
#include "server/etcd_members.h"
#include "server/member_info.h"
#include "server/snapshot_import.h"
#include "server/storage_version.h"
#include "wal/segments.h"
#include "wal/snap_file.h"

namespace holdfast::server {

namespace {

using backend::BboltFile;
using backend::Bucket;

absl::Status refused(const MemberConfig& config, std::string_view why) {
  return make_status(
      absl::StatusCode::kFailedPrecondition,
      fmt::format("data directory {} was written by etcd and can't be taken over: {}. Nothing was changed.",
                  config.data_dir, why));
}

// etcd locks its log files as we do.
absl::Status check_not_in_use(const wal::World& world, const MemberConfig& config) {
  auto segments = wal::list_segments(world.files, world.logger, config.wal_path());
  if (!segments.ok()) return segments.status();
  const std::string path = config.wal_path() + "/" + segments->back().text();
  auto file = world.files.open(path, env::OpenMode::read_write);
  if (!file.ok()) return file.status();
  const absl::Status locked = (*file)->try_lock();
  if (!absl::IsUnavailable(locked)) return locked;
  return make_status(locked.code(),
                     fmt::format("data directory {} is in use by another process ({} is locked)",
                                 config.data_dir, path));
}

uint64_t number_of(const std::optional<std::string>& bytes) {
  return bytes && bytes->size() == sizeof(uint64_t) ? wire::read_be64(bytes->data()) : 0;
}

absl::StatusOr<std::unique_ptr<BboltFile>> open_database(env::FileSystem& files,
                                                         const std::string& path) {
  auto file = files.open(path, env::OpenMode::read);
  if (!file.ok()) return file.status();
  return BboltFile::open(*std::move(file), path);
}

absl::Status check_versions(BboltFile& database, const MemberConfig& config) {
  const auto ours = membership::parse_version(kEtcdVersion);
  auto storage = database.get(Bucket::meta, backend::kStorageVersionKey);
  if (!storage.ok()) return storage.status();
  if (*storage && !StorageVersion::is_known(**storage))
    return refused(config, fmt::format("its storage version {} is newer than {}, the one of this "
                                       "server", **storage, ours->major_minor()));
  auto cluster = database.get(Bucket::cluster, membership::kClusterVersionKey);
  if (!cluster.ok()) return cluster.status();
  if (!*cluster) return absl::OkStatus();
  const auto version = membership::parse_version(**cluster);
  if (version && membership::check_not_older(*ours, *version).ok()) return absl::OkStatus();
  return refused(config, fmt::format("its cluster version {} is newer than {}, the one of this server",
                                     **cluster, ours->major_minor()));
}

absl::Status check_features(BboltFile& database, const MemberConfig& config) {
  auto enabled = database.get(Bucket::auth, "authEnabled");
  if (!enabled.ok()) return enabled.status();
  if (*enabled && **enabled == "\x01")
    return refused(config, "authentication is enabled there, which this version of holdfast does "
                           "not support yet");
  return absl::OkStatus();
}

// Of the log's newest snapshot; nothing if it can't be read.
std::optional<raft::Snapshot> read_snap_file(const wal::World& world, const MemberConfig& config,
                                             const wal::SnapshotRecord& snapshot) {
  if (snapshot.index == Index(0)) return std::nullopt;
  constexpr uint64_t kFileBytesMax = uint64_t{1} << 30;
  const std::string path =
      config.snap_dir() + "/" + wal::snapshot_file_name(snapshot.term, snapshot.index);
  auto bytes = env::read_file(world.files, path, kFileBytesMax);
  auto decoded = bytes.ok() ? wal::decode_snapshot_file(*bytes)
                            : absl::StatusOr<raft::Snapshot>(bytes.status());
  if (decoded.ok()) return *std::move(decoded);
  // Only the log counts (WAL-14).
  world.logger.warn("failed to read a snap file", {{"path", path}, {"error", message(decoded.status())}});
  return std::nullopt;
}

// Until 3.5 etcd had a second store, which its snapshot files carry; 3.6 refuses to start with keys in it, and so do we.
absl::Status check_v2_store(const MemberConfig& config, std::string_view v2_store) {
  if (!membership::holds_v2_user_data(v2_store)) return absl::OkStatus();
  return refused(config, "it holds keys of etcd's v2 API, which would be lost; delete them, or let etcd "
                         "3.5 convert them first");
}

}  // namespace

absl::StatusOr<EtcdData> examine_etcd_data(const wal::World& world, const MemberConfig& config) {
  EtcdData data;
  data.database = config.snap_dir() + "/db";
  data.source = data.database;
  if (!wal::exists(world.files, config.wal_path()))
    return refused(config, fmt::format("it has a database ({}) but no log in {}", data.database,
                                       config.wal_path()));
  if (absl::Status s = check_not_in_use(world, config); !s.ok()) return s;
  auto newest = wal::newest_snapshot_entry(world, config.wal_path());
  if (!newest.ok()) return newest.status();
  const wal::SnapshotRecord last = *std::move(newest);
  data.at.index = last.index;
  data.at.term = last.term;

  auto database = open_database(world.files, data.database);
  if (!database.ok()) return database.status();
  auto consistent = (*database)->get(Bucket::meta, backend::kConsistentIndexKey);
  if (!consistent.ok()) return consistent.status();
  data.consistent = Index(number_of(*consistent));
  if (data.consistent < last.index) {
    const std::string received = config.snap_dir() + "/" + wal::database_file_name(last.index);
    auto present = world.files.exists(received);
    if (!present.ok()) return present.status();
    if (!*present)
      return refused(config, fmt::format("database file ({} index {}) does not match with snapshot "
                                         "(index {})", data.database, data.consistent.value,
                                         last.index.value));
    data.source = received;
    data.consistent = last.index;
    database = open_database(world.files, received);
    if (!database.ok()) return database.status();
  }
  if (absl::Status s = check_versions(**database, config); !s.ok()) return s;
  if (absl::Status s = check_features(**database, config); !s.ok()) return s;
  data.snapshot = read_snap_file(world, config, last);
  if (data.snapshot)
    if (absl::Status s = check_v2_store(config, data.snapshot->data.view()); !s.ok()) return s;
  // All of it, before anything is written.
  if (absl::Status s = (*database)->check(); !s.ok()) return s;
  return data;
}

namespace {

// Of the entry that the state ends with; members before 3.5 don't note it. 0: not known.
Term term_at(const EtcdData& data, const Log& log) {
  if (data.consistent == data.at.index) return data.at.term;
  for (const raft::Entry& entry : log.contents.entries)
    if (entry.index == data.consistent) return entry.term;
  return Term(0);
}

absl::Status check_members(const EtcdData& data, const wal::World& world, const MemberConfig& config,
                           const Log& log, backend::Engine& engine) {
  if (!data.snapshot) return absl::OkStatus();
  auto corrected = correct_members(engine, *data.snapshot, log, data.consistent);
  if (!corrected.ok()) return refused(config, message(corrected.status()));
  if (*corrected)
    world.logger.warn("the database names members of another cluster; those of etcd's v2 store were taken instead",
                      {{"path", data.source}});
  return absl::OkStatus();
}

absl::Status keep_database_aside(const EtcdData& data, const wal::World& world,
                                 const MemberConfig& config) {
  const std::string aside = fmt::format("{}.etcd-{:016x}", data.database, data.consistent.value);
  if (absl::Status s = world.files.rename(data.database, aside); !s.ok()) return s;
  if (absl::Status s = world.files.sync_directory(config.snap_dir()); !s.ok()) return s;
  world.logger.info("took over a data directory of etcd; its database is kept",
                    {{"data-dir", config.data_dir},
                     {"kept-path", aside},
                     {"consistent-index", data.consistent}});
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<std::unique_ptr<backend::Engine>> take_over_etcd_data(
    const EtcdData& data, const wal::World& world, const MemberConfig& config, const Log& log,
    std::unique_ptr<backend::Engine> engine) {
  const Index present = consistent_index_of(*engine);
  if (present > data.consistent)
    return refused(config, fmt::format("{} is newer (index {}) than etcd's {} (index {}); move the one "
                                       "that shall not count away", config.backend_path(),
                                       present.value, data.source, data.consistent.value));
  if (present < data.consistent || present == Index(0)) {
    world.logger.info("taking over a data directory of etcd",
                      {{"data-dir", config.data_dir}, {"path", data.source}});
    auto successor = engine->make_successor();
    if (!successor.ok()) return successor.status();
    raft::SnapshotMetadata at;
    at.index = data.consistent;
    at.term = term_at(data, log);
    if (absl::Status s = import_snapshot(world.files, data.source, at, **successor, [] { return false; });
        !s.ok())
      return s;
    if (absl::Status s = check_members(data, world, config, log, **successor); !s.ok()) return s;
    if (absl::Status s = (*successor)->take_place_of(*engine); !s.ok()) return s;
    engine = *std::move(successor);
  }
  if (absl::Status s = keep_database_aside(data, world, config); !s.ok()) return s;
  return engine;
}

}  // namespace holdfast::server
