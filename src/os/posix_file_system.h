// The disk of the machine: env::FileSystem over system calls. Files are 0600, directories 0700, every descriptor is
// closed on exec. Interrupted calls are repeated. Locks are open-file-description locks over the whole file, as etcd's,
// so that either keeps the other out of a data directory.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "env/file_system.h"

namespace holdfast::os {

// Thread-safe; has no state.
class PosixFileSystem final : public env::FileSystem {
 public:
  absl::StatusOr<std::unique_ptr<env::File>> open(const std::string& path,
                                                  env::OpenMode mode) override;
  absl::Status rename(const std::string& from, const std::string& to) override;
  absl::Status remove(const std::string& path) override;
  absl::Status remove_all(const std::string& path) override;
  absl::Status create_directories(const std::string& path) override;
  absl::Status sync_directory(const std::string& path) override;
  absl::StatusOr<std::vector<std::string>> list(const std::string& path) override;
  absl::StatusOr<bool> exists(const std::string& path) override;
  absl::StatusOr<bool> is_directory(const std::string& path) override;
};

// A Status for a failed system call, by the table of env/file_system.h: "fdatasync /a/b: Input/output error".
absl::Status errno_status(int error, std::string_view operation, std::string_view path);

}  // namespace holdfast::os
