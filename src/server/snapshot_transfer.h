// A snapshot on its way to another member: raft's message with its place in the log, and beside it the whole backend as
// a bbolt file, too large to be a message (etcd api/snap.Message, createMergedSnapshotMessage; parity RAFT-17..19).
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>

#include "absl/status/statusor.h"
#include "raft/message.h"

namespace holdfast::server {

// Bytes that are made as they are asked for, front to back; memory stays bounded whatever the length. Used by one thread
// at a time, which may read the disk and so wait: not on an I/O thread. Destroying it ends the transfer, complete or not,
// and may happen on any thread.
class SnapshotBody {
 public:
  virtual ~SnapshotBody() = default;
  // Fills the front of `buffer` (not empty) and returns how much; 0 at the end. After an error nothing more can be read.
  virtual absl::StatusOr<size_t> read(std::span<char> buffer) = 0;
};

// etcd's maxInFlightMsgSnap: each one under way holds a state of the backend, and its pages in the file. A request of
// raft's beyond it is reported as failed; raft asks again.
inline constexpr size_t kSnapshotsInFlightMax = 16;

struct OutgoingSnapshot {
  raft::Message message;    // MsgSnap; its snapshot's data is the membership as v2 store JSON (TRP-46)
  uint64_t body_bytes = 0;  // what `body` yields, exactly
  std::unique_ptr<SnapshotBody> body;
};

}  // namespace holdfast::server
