#include "server/snapshot_import.h"

#include "backend/backend.h"
#include "backend/bbolt_import.h"
#include "base/errors.h"
#include "base/mutant.h"
#include "base/wire.h"
#include "membership/cluster.h"
#include "wal/snap_file.h"

namespace holdfast::server {

namespace {

using backend::Bucket;

std::string number(uint64_t value) {
  std::string bytes;
  wire::append_be64(bytes, value);
  return bytes;
}

backend::ConsistentIndex progress_of(backend::Engine& engine) {
  auto reader = engine.make_reader();
  reader->begin();
  const backend::ConsistentIndex progress = backend::read_consistent_index(*reader);
  reader->end();
  return progress;
}

absl::Status complete(const raft::SnapshotMetadata& snapshot, backend::Engine& successor) {
  const backend::ConsistentIndex progress = progress_of(successor);
  const Index index(progress.index);
  const Term term(progress.term);
  // etcdctl 3.4 restores with the term that the old cluster had; the log knows better.
  const bool term_fits = snapshot.term == Term(0) ? term != Term(0) : term == snapshot.term;
  if (index > snapshot.index || (index == snapshot.index && term_fits)) return absl::OkStatus();
  return successor.commit([&](backend::Engine::Writer& writer) {
    if (snapshot.index != Index(0))
      writer.put(Bucket::meta, backend::kConsistentIndexKey, number(snapshot.index.value));
    if (snapshot.term != Term(0))
      writer.put(Bucket::meta, backend::kTermKey, number(snapshot.term.value));
  });
}

// A planted bug.
absl::Status without_last_key(backend::Engine& engine) {
  std::string last;
  auto reader = engine.make_reader();
  reader->begin();
  reader->scan_back(Bucket::key, {}, [&](std::string_view key, std::string_view) {
    last = key;
    return false;
  });
  reader->end();
  return engine.commit([&](backend::Engine::Writer& writer) { writer.erase(Bucket::key, last); });
}

}  // namespace

Index consistent_index_of(backend::Engine& engine) {
  return Index(progress_of(engine).index);
}

absl::Status import_snapshot(env::FileSystem& files, const std::string& path,
                             const raft::SnapshotMetadata& snapshot, backend::Engine& successor,
                             absl::FunctionRef<bool()> cancelled) {
  auto file = files.open(path, env::OpenMode::read);
  if (!file.ok()) return file.status();
  auto opened = backend::BboltFile::open(*std::move(file), path);
  if (!opened.ok()) return opened.status();
  if (absl::Status s = backend::import_bbolt(**opened, successor, cancelled); !s.ok()) return s;
  if (mutant("server.snapshot_received_without_last_entries"))
    if (absl::Status s = without_last_key(successor); !s.ok()) return s;
  if (absl::Status s = complete(snapshot, successor); !s.ok()) return s;
  return successor.sync();
}

absl::StatusOr<std::unique_ptr<backend::Engine>> recover_snapshot_backend(
    env::FileSystem& files, const std::string& snap_dir, const raft::SnapshotMetadata& snapshot,
    std::unique_ptr<backend::Engine> engine, Logger& log) {
  const Index consistent = consistent_index_of(*engine);
  if (consistent >= snapshot.index) return engine;
  const std::string path = snap_dir + "/" + wal::database_file_name(snapshot.index);
  auto present = files.exists(path);
  if (!present.ok()) return present.status();
  if (!*present) return engine;
  log.info("recovering the backend from a received snapshot",
           {{"path", path}, {"snapshot-index", snapshot.index}, {"consistent-index", consistent}});
  auto successor = engine->make_successor();
  if (!successor.ok()) return successor.status();
  if (absl::Status s = import_snapshot(files, path, snapshot, **successor, [] { return false; });
      !s.ok())
    return s;
  if (absl::Status s = (*successor)->take_place_of(*engine); !s.ok()) return s;
  if (absl::Status s = files.remove(path); !s.ok())
    log.warn("failed to remove a snapshot that was taken over",
             {{"path", path}, {"error", message(s)}});
  return *std::move(successor);
}

}  // namespace holdfast::server
