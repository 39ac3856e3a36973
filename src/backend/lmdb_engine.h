// The engine that real members use: one LMDB file (MDB_NOSUBDIR) with a named database for each
// bucket.
//
// Beside <path> lie <path>-lock (LMDB's reader table) and <path>.guard, locked while the file is
// open: LMDB itself would let a second process in. <path>.defrag exists during a defragmentation
// only, <path>.successor while a state that shall replace this one is being built; the next open
// removes them.
#pragma once

#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "backend/engine.h"
#include "base/log.h"
#include "env/file_system.h"
#include "env/process.h"

namespace holdfast::backend {

enum class Sync : uint8_t { yes, no };  // no: --unsafe-no-fsync

struct LmdbOptions {
  std::string path;
  Sync sync = Sync::yes;
  // Address space, not memory and not disk: the file can't outgrow it, so it stands far above any
  // quota. Halved until the kernel grants it.
  uint64_t map_bytes = uint64_t{256} << 30;
};

// `files` must be the real file system (LMDB opens the path itself). Errors: Unavailable (another
// process has it open), FailedPrecondition (not a Holdfast backend file, e.g. etcd's bbolt file),
// DataLoss (damaged or cut off), ResourceExhausted (disk full), PermissionDenied, Unknown. Nothing
// on disk is changed by a refused open, except when the disk filled up while the file was created.
absl::StatusOr<std::unique_ptr<Engine>> open_lmdb_engine(const LmdbOptions& options,
                                                         env::FileSystem& files,
                                                         env::Process& process, Logger& log);

}  // namespace holdfast::backend
