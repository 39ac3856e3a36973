// What a member does with a snapshot that another one sent, before raft hears of it (etcd snapshotHandler.ServeHTTP).
#pragma once

#include <string>

#include "absl/status/status.h"
#include "base/types.h"
#include "env/file_system.h"

namespace holdfast::server {

// Checks a received, synced file and gives it its name, {index:016x}.snap.db, durably. A file of that name that is already there stays
// (its content is the same) and the received one goes. Any thread. After an error the received file is gone.
absl::Status place_received_database(env::FileSystem& files, const std::string& snap_dir,
                                     const std::string& received_path, Index index);

}  // namespace holdfast::server
