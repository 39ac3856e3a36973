#include "wal/snap_file.h"

#include <algorithm>
#include <charconv>

#include "base/crc32c.h"
#include "base/errors.h"
#include "base/wire.h"
#include "fmt/format.h"
#include "raft/codec.h"

namespace holdfast::wal {

namespace {

constexpr std::string_view kSnapshotSuffix = ".snap";
constexpr std::string_view kDatabaseSuffix = ".snap.db";

// Far above any v2 JSON and configuration that etcd ever wrote into one; a larger file is not one of ours.
constexpr uint64_t kMaxSnapshotFileBytes = uint64_t{1} << 30;

absl::Status damaged(std::string_view text) {
  return make_status(absl::StatusCode::kDataLoss, text);
}

double seconds(env::Duration d) { return std::chrono::duration<double>(d).count(); }

}  // namespace

// MET-23.
struct Snapshotter::Instruments {
  env::Histogram& marshal_seconds;
  env::Histogram& save_seconds;
  env::Histogram& sync_seconds;
};

std::string encode_snapshot_file(const raft::Snapshot& snapshot) {
  std::string data;
  wire::Writer inner(data);
  if (!snapshot.data.is_nil()) inner.put_bytes(1, snapshot.data);
  const raft::SnapshotMetadata& m = snapshot.metadata;
  std::string metadata;
  wire::Writer metadata_writer(metadata);
  metadata_writer.put_bytes(1, encode(m.conf_state));
  metadata_writer.put_uint64(2, m.index.value);
  metadata_writer.put_uint64(3, m.term.value);
  inner.put_bytes(2, metadata);

  std::string file;
  wire::Writer outer(file);
  outer.put_uint64(1, crc32c(data));
  outer.put_bytes(2, data);
  return file;
}

absl::StatusOr<raft::Snapshot> decode_snapshot_file(std::string_view bytes) {
  if (bytes.empty()) return damaged("snap: empty snapshot");
  uint64_t crc = 0;
  std::string_view data;
  wire::Reader reader(bytes);
  wire::Field field;
  while (reader.next(field)) {
    if (field.number == 1 && field.type == wire::Type::varint) crc = field.varint;
    if (field.number == 2 && field.type == wire::Type::bytes) data = field.bytes;
  }
  if (!reader.ok()) return damaged("snap: malformed snapshot file");
  if (data.empty() || crc == 0) return damaged("snap: empty snapshot");
  if (crc != crc32c(data)) return damaged("snap: crc mismatch");
  absl::StatusOr<raft::Snapshot> snapshot = raft::decode_snapshot(data);
  if (!snapshot.ok()) return damaged("snap: malformed snapshot");
  return snapshot;
}

std::string snapshot_file_name(Term term, Index index) {
  return fmt::format("{:016x}-{:016x}{}", term.value, index.value, kSnapshotSuffix);
}

std::string database_file_name(Index index) {
  return fmt::format("{:016x}{}", index.value, kDatabaseSuffix);
}

Snapshotter::Snapshotter(const World& world, std::string directory)
    : world_(world),
      directory_(std::move(directory)),
      instruments_(new Instruments{
          world.metrics.histogram("etcd_debugging_snap_save_marshalling_duration_seconds",
                                  "The marshalling cost distributions of save called by snapshot.",
                                  env::exponential_buckets(0.001, 2, 14)),
          world.metrics.histogram("etcd_debugging_snap_save_total_duration_seconds",
                                  "The total latency distributions of save called by snapshot.",
                                  env::exponential_buckets(0.001, 2, 14)),
          world.metrics.histogram("etcd_snap_fsync_duration_seconds",
                                  "The latency distributions of fsync called by snap.",
                                  env::exponential_buckets(0.001, 2, 14))}) {}

Snapshotter::~Snapshotter() = default;

absl::Status Snapshotter::write_file(const std::string& path, std::string_view bytes) {
  auto file = world_.files.open(path, env::OpenMode::create_or_open);
  if (!file.ok()) return file.status();
  if (absl::Status s = (*file)->truncate(0); !s.ok()) return s;
  if (absl::Status s = (*file)->write_at(0, bytes); !s.ok()) return s;
  if (absl::Status s = (*file)->sync(); !s.ok()) return s;
  return world_.files.sync_directory(directory_);
}

absl::Status Snapshotter::save_snap(const raft::Snapshot& snapshot) {
  if (snapshot.empty()) return absl::OkStatus();
  const env::Instant start = world_.clock.now();
  const std::string bytes = encode_snapshot_file(snapshot);
  const env::Instant encoded = world_.clock.now();
  instruments_->marshal_seconds.observe(seconds(encoded - start));
  const std::string path =
      directory_ + "/" + snapshot_file_name(snapshot.metadata.term, snapshot.metadata.index);
  const absl::Status status = write_file(path, bytes);
  const env::Instant end = world_.clock.now();
  instruments_->sync_seconds.observe(seconds(end - encoded));
  if (!status.ok()) {
    world_.logger.warn("failed to write a snap file",
                       {{"path", path}, {"error", message(status)}});
    if (absl::Status s = world_.files.remove(path); !s.ok()) {
      world_.logger.warn("failed to remove a broken snap file",
                         {{"path", path}, {"error", message(s)}});
    }
    return status;
  }
  instruments_->save_seconds.observe(seconds(end - start));
  return absl::OkStatus();
}

// Newest first; names have fixed width, so their order is that of (term, index).
Index newest_snapshot_file(env::FileSystem& files, const std::string& directory) {
  constexpr size_t kDigits = 16;
  uint64_t index = 0;
  const auto names = files.list(directory);
  if (!names.ok()) return Index(0);
  for (const std::string& name : *names) {  // sorted: by term, then by index
    if (name.size() != 2 * kDigits + 1 + kSnapshotSuffix.size() || !name.ends_with(kSnapshotSuffix)) continue;
    const char* begin = name.data() + kDigits + 1;
    uint64_t of_name = 0;
    if (std::from_chars(begin, begin + kDigits, of_name, 16).ptr == begin + kDigits) index = of_name;
  }
  return Index(index);
}

absl::StatusOr<std::vector<std::string>> Snapshotter::names() {
  auto all = world_.files.list(directory_);
  if (!all.ok()) return all.status();
  std::vector<std::string> names;
  for (std::string& name : *all) {
    if (name.ends_with(kSnapshotSuffix)) {
      names.push_back(std::move(name));
    } else if (name != "db" && !name.ends_with(kDatabaseSuffix)) {
      world_.logger.warn("found unexpected non-snap file; skipping", {{"path", name}});
    }
  }
  std::reverse(names.begin(), names.end());
  return names;
}

absl::StatusOr<raft::Snapshot> Snapshotter::load_file(const std::string& name) {
  const std::string path = directory_ + "/" + name;
  const auto bytes = env::read_file(world_.files, path, kMaxSnapshotFileBytes);
  absl::StatusOr<raft::Snapshot> snapshot =
      bytes.ok() ? decode_snapshot_file(*bytes) : absl::StatusOr<raft::Snapshot>(bytes.status());
  if (snapshot.ok()) return snapshot;
  world_.logger.warn("failed to read a snap file",
                     {{"path", path}, {"error", message(snapshot.status())}});
  const std::string broken = path + ".broken";
  if (absl::Status s = world_.files.rename(path, broken); !s.ok()) {
    world_.logger.warn("failed to rename a broken snap file",
                       {{"path", path}, {"broken-path", broken}, {"error", message(s)}});
  } else {
    world_.logger.warn("renamed to a broken snap file", {{"path", path}, {"broken-path", broken}});
  }
  return snapshot;
}

absl::StatusOr<raft::Snapshot> Snapshotter::load_matching(
    const std::function<bool(const raft::SnapshotMetadata&)>& matches) {
  const auto candidates = names();
  if (!candidates.ok()) return candidates.status();
  for (const std::string& name : *candidates) {
    absl::StatusOr<raft::Snapshot> snapshot = load_file(name);
    if (snapshot.ok() && matches(snapshot->metadata)) return snapshot;
  }
  return absl::NotFoundError("snap: no available snapshot");
}

absl::StatusOr<raft::Snapshot> Snapshotter::load() {
  return load_matching([](const raft::SnapshotMetadata&) { return true; });
}

absl::StatusOr<raft::Snapshot> Snapshotter::load_newest_available(
    const std::vector<SnapshotRecord>& wal_snapshots) {
  return load_matching([&](const raft::SnapshotMetadata& m) {
    return std::any_of(wal_snapshots.begin(), wal_snapshots.end(), [&](const SnapshotRecord& s) {
      return s.term == m.term && s.index == m.index;
    });
  });
}

absl::Status Snapshotter::remove_leftovers() {
  const auto all = world_.files.list(directory_);
  if (!all.ok()) return all.status();
  for (const std::string& name : *all) {
    if (!name.starts_with("tmp") && !name.starts_with("db.tmp")) continue;
    world_.logger.info("found orphaned temporary file; deleting", {{"path", name}});
    if (absl::Status s = world_.files.remove(directory_ + "/" + name);
        !s.ok() && !absl::IsNotFound(s))
      return s;
  }
  return absl::OkStatus();
}

absl::Status Snapshotter::release_databases(Index index) {
  const auto all = world_.files.list(directory_);
  if (!all.ok()) return all.status();
  for (const std::string& name : *all) {
    if (!name.ends_with(kDatabaseSuffix)) continue;
    uint64_t found = 0;
    const char* end = name.data() + name.size() - kDatabaseSuffix.size();
    const auto [stop, error] = std::from_chars(name.data(), end, found, 16);
    if (error != std::errc() || stop != end) {
      world_.logger.error("failed to parse index from filename", {{"path", name}});
      continue;
    }
    if (Index(found) >= index) continue;
    world_.logger.info("found orphaned .snap.db file; deleting", {{"path", name}});
    if (absl::Status s = world_.files.remove(directory_ + "/" + name);
        !s.ok() && !absl::IsNotFound(s)) {
      world_.logger.error("failed to remove orphaned .snap.db file",
                          {{"path", name}, {"error", message(s)}});
    }
  }
  return absl::OkStatus();
}

absl::StatusOr<size_t> purge(env::FileSystem& files, Logger& logger, const std::string& directory,
                             const PurgeRule& rule) {
  if (rule.keep == 0) return size_t{0};
  auto names = files.list(directory);
  if (!names.ok()) return names.status();
  std::erase_if(*names, [&](const std::string& name) { return !name.ends_with(rule.suffix); });
  size_t purged = 0;
  while (names->size() - purged > rule.keep) {
    const std::string path = directory + "/" + (*names)[purged];
    std::unique_ptr<env::File> file;  // keeps the lock until the name is gone
    if (rule.locks == Locks::respected) {
      auto opened = files.open(path, env::OpenMode::read_write);
      const absl::Status locked = opened.ok() ? (*opened)->try_lock() : opened.status();
      if (!locked.ok()) {
        logger.warn("failed to lock file", {{"path", path}, {"error", message(locked)}});
        break;
      }
      file = *std::move(opened);
    }
    if (absl::Status s = files.remove(path); !s.ok()) {
      logger.error("failed to remove file", {{"path", path}, {"error", message(s)}});
      return s;
    }
    logger.info("purged", {{"path", path}});
    ++purged;
  }
  return purged;
}

}  // namespace holdfast::wal
