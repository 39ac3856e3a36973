// A member's data directory while no member runs on it.
#pragma once

#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "apps/holdfastutl/console.h"
#include "backend/engine.h"

namespace holdfast::utl {

struct DataDir {
  std::string path;     // --data-dir
  std::string wal_dir;  // --wal-dir; empty: inside
  std::string snap() const { return path + "/member/snap"; }
  std::string wal() const { return wal_dir.empty() ? path + "/member/wal" : wal_dir; }
  std::string backend() const { return snap() + "/holdfast.lmdb"; }
};

// Opens the backend, which keeps members away; it must be there. Unavailable while a member runs.
absl::StatusOr<std::unique_ptr<backend::Engine>> open_backend(Console& console, const DataDir& dir);

// defrag: rewrites the backend without its free pages (UTL-02).
absl::Status defragment(Console& console, const DataDir& dir);

}  // namespace holdfast::utl
