// The disk, as small as the log, the snapshots and the backend's codec need it. What counts is what survives a crash:
//  - written bytes survive only after sync() or sync_data() of that file returned OK;
//  - a created, renamed or removed name survives only after sync_directory() of its parent returned OK;
//  - after a failed sync nothing is known about the bytes since the last good one: the caller must end the process.
// Paths are plain strings, '/'-separated. All methods are thread-safe; one File is used by one thread at a time.
// Errors: NotFound, AlreadyExists, ResourceExhausted (ENOSPC, EDQUOT), PermissionDenied, DataLoss (EIO), Unavailable
// (lock held by another process), otherwise Unknown; the message names the operation, the path and errno's text.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace holdfast::env {

class File {
 public:
  virtual ~File() = default;  // closes; never syncs

  // Reads up to `size` bytes at `offset` into `buffer`; returns how many were read (fewer only at the end of file).
  virtual absl::StatusOr<size_t> read_at(uint64_t offset, char* buffer, size_t size) = 0;
  // Writes all of `data` at `offset`, growing the file if needed. After an error any part may have been written.
  virtual absl::Status write_at(uint64_t offset, std::string_view data) = 0;
  virtual absl::StatusOr<uint64_t> size() = 0;
  virtual absl::Status truncate(uint64_t size) = 0;
  // Reserves space up to `size` and makes the file that long; new bytes read as zero.
  virtual absl::Status preallocate(uint64_t size) = 0;
  virtual absl::Status sync() = 0;       // fsync
  virtual absl::Status sync_data() = 0;  // fdatasync
  // Syncs, then lets go of what is cached, so that reads show what the disk holds. After a failed sync the cache may show
  // bytes that are not there and that no later sync will write: whoever opens the file of a process that died must not
  // build on them.
  virtual absl::Status settle() { return sync(); }
  // Takes an exclusive lock that ends with the File; Unavailable if another holder has it.
  virtual absl::Status try_lock() = 0;
};

enum class OpenMode : uint8_t {
  read,           // must exist
  read_write,     // must exist
  create,         // read and write; must not exist
  create_or_open  // read and write
};

class FileSystem {
 public:
  virtual ~FileSystem() = default;

  virtual absl::StatusOr<std::unique_ptr<File>> open(const std::string& path, OpenMode mode) = 0;  // files get 0600
  virtual absl::Status rename(const std::string& from, const std::string& to) = 0;  // replaces `to`
  virtual absl::Status remove(const std::string& path) = 0;             // a file or an empty directory
  virtual absl::Status remove_all(const std::string& path) = 0;         // OK if absent
  virtual absl::Status create_directories(const std::string& path) = 0; // 0700; OK if present
  virtual absl::Status sync_directory(const std::string& path) = 0;
  virtual absl::StatusOr<std::vector<std::string>> list(const std::string& path) = 0;  // names, sorted
  virtual absl::StatusOr<bool> exists(const std::string& path) = 0;
  virtual absl::StatusOr<bool> is_directory(const std::string& path) = 0;
};

// Whole small files, in terms of the above.
absl::StatusOr<std::string> read_file(FileSystem& fs, const std::string& path, uint64_t limit_bytes);

}  // namespace holdfast::env
