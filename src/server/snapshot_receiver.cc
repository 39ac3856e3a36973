#include "server/snapshot_receiver.h"

#include <utility>

#include "backend/bbolt_reader.h"
#include "base/errors.h"
#include "wal/snap_file.h"

namespace holdfast::server {

void SnapshotDownload::write(env::FileSystem& files, std::string_view piece) {
  if (!status.ok()) return;
  if (file == nullptr) {
    auto opened = files.open(path, env::OpenMode::create);
    status = opened.status();
    if (!status.ok()) return;
    file = *std::move(opened);
  }
  status = file->write_at(size, piece);
  size += piece.size();
}

absl::Status SnapshotDownload::complete(env::FileSystem& files) {
  write(files, {});
  if (status.ok()) status = file->sync();
  file.reset();
  if (!status.ok()) (void)files.remove(path);
  return status;
}

void SnapshotDownload::discard(env::FileSystem& files) {
  file.reset();
  (void)files.remove(path);
}

namespace {

absl::Status place(env::FileSystem& files, const std::string& snap_dir,
                   const std::string& received_path, Index index) {
  if (index == Index(0))
    return make_status(absl::StatusCode::kInvalidArgument, "received a snapshot without an index");
  // The transfer carries no digest; what raft is told of must be possible to install.
  {
    auto file = files.open(received_path, env::OpenMode::read);
    if (!file.ok()) return file.status();
    auto database = backend::BboltFile::open(*std::move(file), received_path);
    if (!database.ok()) return database.status();
    if (absl::Status s = (*database)->check(); !s.ok()) return s;
  }
  const std::string target = snap_dir + "/" + wal::database_file_name(index);
  auto present = files.exists(target);
  if (!present.ok()) return present.status();
  if (*present) return files.remove(received_path);
  if (absl::Status s = files.rename(received_path, target); !s.ok()) return s;
  return files.sync_directory(snap_dir);
}

}  // namespace

absl::Status place_received_database(env::FileSystem& files, const std::string& snap_dir,
                                     const std::string& received_path, Index index) {
  absl::Status placed = place(files, snap_dir, received_path, index);
  if (!placed.ok()) (void)files.remove(received_path);
  return placed;
}

}  // namespace holdfast::server
