// The effects a node asks for.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string_view>
#include <vector>

#include "base/shared_bytes.h"
#include "raft/message.h"
#include "raft/types.h"

namespace holdfast::raft {

enum class StateType : uint8_t { follower, candidate, leader, pre_candidate };
std::string_view name(StateType state);  // "StateFollower", ...

// Volatile; for whoever wants to know who leads.
struct SoftState {
  MemberId lead;
  StateType state = StateType::follower;

  bool operator==(const SoftState&) const = default;
};

// A read-index request with this context may be served once `index` is applied.
struct ReadState {
  Index index;
  SharedBytes request_context;

  bool operator==(const ReadState&) const = default;
};

// Without async_storage_writes, in this order: store hard_state, entries and snapshot (durably if
// must_sync); send messages; apply snapshot, then committed_entries; advance().
//
// With async_storage_writes: send each message to where it is addressed, at any time. hard_state,
// entries, snapshot and committed_entries are then for information; the messages to
// kLocalAppendThread and kLocalApplyThread carry them. A MsgStorageAppend must be durable before
// its responses are delivered; one without responses need not be synced.
//
// A MsgSnap among the messages must be answered by report_snapshot(), or replication to that member
// stands still.
// A snapshot in a MsgStorageAppend may overtake MsgStorageApply messages given out before: entries
// at or below the state machine's index are then to be skipped, and reported as applied all the
// same.
//
// The log must not be compacted beyond the commit index that is stored: a restart would find a log
// that begins behind what it believes to be committed, and end the process.
struct Ready {
  std::optional<SoftState> soft_state;  // absent: unchanged
  std::optional<HardState> hard_state;  // absent: unchanged
  std::vector<ReadState> read_states;
  Entries entries;
  std::shared_ptr<const Snapshot> snapshot;  // null: none; shared with its sender
  Entries committed_entries;
  std::vector<Message> messages;
  // Entries, or a new term or vote: these need fsync. A new commit index alone does not (RAL-16).
  bool must_sync = false;
};

}  // namespace holdfast::raft
