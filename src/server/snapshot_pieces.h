// A snapshot's body for a reader that must not wait: pieces are made in the background, with the digest that clients
// check (MNT-08, SNP-05).
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "base/task.h"
#include "env/executor.h"
#include "server/snapshot_transfer.h"

namespace holdfast::server {

// One caller, one piece at a time. Destroying it while a piece is being made is fine.
class SnapshotPieces {
 public:
  SnapshotPieces(uint64_t bytes, std::unique_ptr<SnapshotBody> body, std::string storage_version,
                 env::Executor& background);
  ~SnapshotPieces();

  uint64_t bytes() const { return bytes_; }  // of all pieces together
  const std::string& storage_version() const { return storage_version_; }
  // The next `size` bytes, fewer at the end only, never none before the end. `done` runs on `reply_on`.
  void next(size_t size, env::Executor& reply_on, UniqueFunction<void(absl::StatusOr<std::string>)> done);
  // SHA-256 of what was read: 32 bytes. Once, after the last piece.
  std::string digest();

 private:
  struct Work;
  const uint64_t bytes_;
  const std::string storage_version_;
  env::Executor& background_;
  const std::shared_ptr<Work> work_;  // shared with the task that makes a piece
};

}  // namespace holdfast::server
