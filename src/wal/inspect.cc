// Looking at a log without opening it for writing.
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
  const std::vector<SegmentName> run = newest_run(*names);
  const auto open = open_for_read(world.files, directory, run);
  if (!open.ok()) return open.status();
  Decoder decoder(open->sources);
  Replay replay(SnapshotRecord{}, Replay::Entries::skipped);
  if (absl::Status s = replay.scan(decoder); !s.ok()) return s;
  return replay.valid_snapshots(run.front());
}

absl::StatusOr<SnapshotRecord> newest_snapshot_entry(const World& world, const std::string& directory) {
  const auto snapshots = valid_snapshot_entries(world, directory);
  if (!snapshots.ok()) return snapshots.status();
  return newest_of(*snapshots);
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
  return replay.hard_state();
}

}  // namespace holdfast::wal
