// Settings of one node.
#pragma once

#include <cstdint>

#include "absl/status/status.h"
#include "base/types.h"
#include "raft/logger.h"
#include "raft/storage.h"

namespace holdfast::raft {

enum class ReadOnlyOption : uint8_t {
  safe,         // a quorum confirms the leader before each batch of reads
  lease_based,  // the leader trusts its check-quorum lease: wrong under unbounded clock drift.
                // Needs check_quorum
};

struct Config {
  MemberId id;  // not zero, not a local target

  // In ticks. A follower campaigns after [election_tick, 2 * election_tick - 1] ticks of silence
  // (RAL-03).
  int election_tick = 10;
  int heartbeat_tick = 1;

  Storage* storage = nullptr;  // outlives the node
  Logger* logger = nullptr;    // outlives the node
  // Source of the random part of election timeouts; mixed with id, so that equal seeds do not mean
  // equal timeouts.
  uint64_t random_seed = 0;

  // After a restart: the last entry applied. Entries up to it are not handed out again.
  Index applied;

  // The disk as a peer: writes are ordered by MsgStorageAppend and MsgStorageApply in
  // Ready::messages, and their responses are stepped when done, in place of advance(). Messages to
  // one thread must be carried out in order, and never be lost.
  bool async_storage_writes = false;

  // Bytes of entries in one MsgApp; at least one entry is sent. 0 = one entry a message. etcd: 1
  // MiB (RAL-12).
  uint64_t max_size_per_message = 1 << 20;
  // Bytes of committed entries handed out and not yet reported applied. 0 = max_size_per_message.
  uint64_t max_committed_size_per_ready = 0;
  // Payload bytes of proposals not yet applied; beyond it proposals are dropped. 0 = no limit.
  uint64_t max_uncommitted_entries_size = 0;
  // Appends on the way to one follower. etcd: 512 (RAL-12). > 0.
  int max_inflight_messages = 512;
  // The same in bytes; 0 = no limit, otherwise at least max_size_per_message.
  uint64_t max_inflight_bytes = 0;

  bool check_quorum = false;  // etcd: true (RAL-04)
  bool pre_vote = false;      // etcd: --pre-vote, true by default (RAL-05)
  ReadOnlyOption read_only_option = ReadOnlyOption::safe;
  // Followers drop proposals in place of forwarding them.
  bool disable_proposal_forwarding = false;
  // Accept conf changes without looking at the active configuration. For callers that serialize
  // changes themselves: an invalid change that gets applied ends the process.
  bool disable_conf_change_validation = false;
  // A leader that is removed or demoted becomes a follower at once.
  bool step_down_on_removal = false;

  // Invalid argument, with etcd's text.
  absl::Status validate() const;
};

}  // namespace holdfast::raft
