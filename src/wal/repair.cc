#include "wal/repair.h"

#include "base/errors.h"
#include "fmt/format.h"
#include "wal/decoder.h"
#include "wal/wal.h"

namespace holdfast::wal {

namespace {

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

absl::Status cut_off(const World& world, const std::string& directory, const std::string& path, env::File& file,
                     uint64_t offset) {
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

absl::Status failed(const World& world, const std::string& path, absl::Status status) {
  world.logger.warn("failed to repair", {{"path", path}, {"error", message(status)}});
  return status;
}

}  // namespace

absl::Status cut_tail_off(const World& world, const std::string& directory, const TornTail& tail) {
  world.logger.info("repairing", {{"path", tail.path}});
  if (absl::Status s = cut_off(world, directory, tail.path, tail.file, tail.offset); !s.ok())
    return failed(world, tail.path, std::move(s));
  world.logger.info("repaired", {{"path", tail.path}, {"error", message(tail.tear)}});
  return absl::OkStatus();
}

absl::Status repair(const World& world, const std::string& directory) {
  const auto names = list_segments(world.files, world.logger, directory);
  if (!names.ok()) return names.status();
  const std::string path = directory + "/" + names->back().text();
  auto file = world.files.open(path, env::OpenMode::read_write);
  if (!file.ok()) return file.status();
  if (absl::Status s = (*file)->try_lock(); !s.ok()) return s;
  Decoder decoder({{path, file->get()}});
  absl::Status tear;
  if (absl::Status s = find_tear(decoder, tear); !s.ok()) return failed(world, path, std::move(s));
  return tear.ok() ? tear : cut_tail_off(world, directory, {path, **file, decoder.last_offset(), tear});
}

}  // namespace holdfast::wal
