// What a member does with a snapshot that another one sent, before raft hears of it (etcd snapshotHandler.ServeHTTP).
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "base/types.h"
#include "env/file_system.h"

namespace holdfast::server {

// A file that is being received, piece by piece. Used on one executor, which waits for the disk.
struct SnapshotDownload {
  std::string path;
  std::unique_ptr<env::File> file;  // null before the first piece, and at the end
  uint64_t size = 0;                // bytes taken
  absl::Status status;              // after an error nothing more is written

  void write(env::FileSystem& files, std::string_view piece);
  // Makes it last and closes it. After an error the file is gone.
  absl::Status complete(env::FileSystem& files);
  // Closes and removes it.
  void discard(env::FileSystem& files);
};

// Checks a received, synced file and gives it its name, {index:016x}.snap.db, durably. A file of that name that is already there stays
// (its content is the same) and the received one goes. Any thread. After an error the received file is gone.
absl::Status place_received_database(env::FileSystem& files, const std::string& snap_dir,
                                     const std::string& received_path, Index index);

}  // namespace holdfast::server
