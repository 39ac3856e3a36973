// Looking at a log, and repairing it, without opening it for writing.
#include <algorithm>

#include "base/errors.h"
#include "fmt/format.h"
#include "wal/decoder.h"
#include "wal/replay.h"
#include "wal/wal.h"

namespace holdfast::wal {

namespace {

struct OpenSegments {
  std::vector<std::unique_ptr<env::File>> files;
  std::vector<Decoder::Source> sources;
};

absl::StatusOr<OpenSegments> open_for_read(env::FileSystem& files, const std::string& directory,
                                           const std::vector<SegmentName>& names) {
  OpenSegments open;
  for (const SegmentName& name : names) {
    const std::string path = directory + "/" + name.text();
    auto file = files.open(path, env::OpenMode::read);
    if (!file.ok()) return file.status();
    open.sources.push_back({path, file->get()});
    open.files.push_back(*std::move(file));
  }
  return open;
}

absl::Status copy(env::FileSystem& files, env::File& from, const std::string& to) {
  constexpr size_t kChunk = 1024 * 1024;
  if (absl::Status s = files.remove(to); !s.ok() && !absl::IsNotFound(s)) return s;
  auto target = files.open(to, env::OpenMode::create);
  if (!target.ok()) return target.status();
  std::string chunk(kChunk, '\0');
  for (uint64_t offset = 0;; offset += kChunk) {
    const auto n = from.read_at(offset, chunk.data(), chunk.size());
    if (!n.ok()) return n.status();
    if (*n == 0) return (*target)->sync();
    if (absl::Status s = (*target)->write_at(offset, {chunk.data(), *n}); !s.ok()) return s;
  }
}

// Reads the last segment alone, to its end or to a tear; `torn` says where.
absl::Status find_tear(Decoder& decoder, absl::Status& torn) {
  Record record;
  for (;;) {
    const absl::StatusOr<bool> more = decoder.next(record);
    if (more.ok() && *more) continue;
    if (more.ok()) return absl::OkStatus();
    if (fault_of(more.status()) != Fault::torn_tail) return more.status();
    torn = more.status();
    return absl::OkStatus();
  }
}

absl::Status cut_off(const World& world, const std::string& directory, const std::string& path,
                     env::File& file, uint64_t offset) {
  if (absl::Status s = copy(world.files, file, path + ".broken"); !s.ok()) return s;
  if (absl::Status s = file.truncate(offset); !s.ok()) return s;
  const env::Instant start = world.clock.now();
  if (absl::Status s = file.sync(); !s.ok()) return s;
  world.metrics
      .histogram("etcd_disk_wal_fsync_duration_seconds",
                 "The latency distributions of fsync called by WAL.",
                 env::exponential_buckets(0.001, 2, 14))
      .observe(std::chrono::duration<double>(world.clock.now() - start).count());
  return world.files.sync_directory(directory);
}

}  // namespace

bool exists(env::FileSystem& files, const std::string& directory) {
  const auto names = files.list(directory);
  return names.ok() && std::any_of(names->begin(), names->end(), [](const std::string& name) {
           return name.ends_with(".wal");
         });
}

absl::StatusOr<std::vector<SnapshotRecord>> valid_snapshot_entries(const World& world,
                                                                   const std::string& directory) {
  if (absl::Status s = settle_tail(world.files, world.logger, directory); !s.ok()) return s;
  const auto names = list_segments(world.files, world.logger, directory);
  if (!names.ok()) return names.status();
  const auto open = open_for_read(world.files, directory, newest_run(*names));
  if (!open.ok()) return open.status();
  Decoder decoder(open->sources);
  Replay replay(SnapshotRecord{}, Replay::Entries::skipped);
  if (absl::Status s = replay.scan(decoder); !s.ok()) return s;
  std::vector<SnapshotRecord> valid = replay.snapshots();
  std::erase_if(valid, [&](const SnapshotRecord& snapshot) {
    return snapshot.index > replay.contents().hard_state.commit;
  });
  // What begins behind the first entry was cut at a snapshot that it notes at its very beginning: no snapshot, then, is no
  // torn tail but damage, and there is nothing to go on from.
  if (valid.empty() && !replay.tear().ok() && newest_run(*names).front().first_index > Index(0))
    return make_status(absl::StatusCode::kDataLoss, message(replay.tear()));
  return valid;
}

absl::StatusOr<SnapshotRecord> newest_snapshot_entry(const World& world, const std::string& directory) {
  const auto snapshots = valid_snapshot_entries(world, directory);
  if (!snapshots.ok()) return snapshots.status();
  SnapshotRecord newest;
  for (const SnapshotRecord& snapshot : *snapshots)
    if (snapshot.index > newest.index) newest = snapshot;
  return newest;
}

absl::StatusOr<raft::HardState> verify(const World& world, const std::string& directory,
                                       const SnapshotRecord& from) {
  const auto names = segments_from(world.files, world.logger, directory, from.index);
  if (!names.ok()) return names.status();
  const auto open = open_for_read(world.files, directory, *names);
  if (!open.ok()) return open.status();
  Decoder decoder(open->sources);
  Replay replay(from, Replay::Entries::skipped);
  if (absl::Status s = replay.run_to_tear(decoder); !s.ok()) return s;
  return replay.contents().hard_state;
}

absl::Status repair(const World& world, const std::string& directory) {
  const auto names = list_segments(world.files, world.logger, directory);
  if (!names.ok()) return names.status();
  const std::string path = directory + "/" + names->back().text();
  auto file = world.files.open(path, env::OpenMode::read_write);
  if (!file.ok()) return file.status();
  if (absl::Status s = (*file)->try_lock(); !s.ok()) return s;
  world.logger.info("repairing", {{"path", path}});

  Decoder decoder({{path, file->get()}});
  absl::Status torn;
  absl::Status status = find_tear(decoder, torn);
  if (status.ok() && !torn.ok())
    status = cut_off(world, directory, path, **file, decoder.last_offset());
  if (!status.ok()) {
    world.logger.warn("failed to repair", {{"path", path}, {"error", message(status)}});
    return status;
  }
  world.logger.info("repaired", {{"path", path}, {"error", torn.ok() ? "EOF" : message(torn)}});
  return absl::OkStatus();
}

}  // namespace holdfast::wal
