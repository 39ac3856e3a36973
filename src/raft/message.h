// What members send one another, and what a node sends to its own storage threads.
//
// One flat struct, as on the wire: see docs/decisions/raft-message-is-flat.md. Which fields a type
// uses, and what each means there, is the table below; unused fields are zero.
#pragma once

#include <cstdint>
#include <limits>
#include <memory>
#include <string_view>
#include <vector>

#include "base/shared_bytes.h"
#include "base/types.h"
#include "raft/entries.h"
#include "raft/types.h"

namespace holdfast::raft {

// No member: no leader known, no vote cast.
inline constexpr MemberId kNone{0};
// Addresses of the node's own storage threads, with async_storage_writes.
inline constexpr MemberId kLocalAppendThread{std::numeric_limits<uint64_t>::max()};
inline constexpr MemberId kLocalApplyThread{std::numeric_limits<uint64_t>::max() - 1};

inline constexpr bool is_local_target(MemberId id) {
  return id == kLocalAppendThread || id == kLocalApplyThread;
}

// RAL-02. The numbers are the wire's; a number unknown here may come from a newer member and is
// ignored.
//
//   type                  fields beside from, to, term
//   hup, beat, check_quorum   local only
//   prop                  entries (one batch; term and index are assigned by the leader). term 0
//   app                   index, log_term = the entry before entries; entries; commit
//   app_resp              index = last index appended; or reject, index = the refused one, and
//                         reject_hint, log_term = best guess where the logs agree
//   vote, pre_vote        index, log_term = the candidate's last entry; context "CampaignTransfer"
//   if asked for vote_resp, pre_vote_resp  reject snap                  snapshot heartbeat commit,
//   context = how many reads are confirmed by answering (8 bytes, little endian) heartbeat_resp
//   context, echoed unreachable, snap_status, transfer_leader   from = the peer concerned;
//   snap_status: reject = it failed read_index            entries[0].data = the reader's context
//   read_index_resp       index = what must be applied before reading; entries[0].data = the
//   context storage_append        to the append thread: term, vote, commit (all zero if unchanged),
//   entries, snapshot, responses storage_append_resp   index, log_term = last entry now stable;
//   snapshot storage_apply         to the apply thread: entries, responses storage_apply_resp
//   entries
enum class MessageType : int32_t {
  hup = 0,
  beat = 1,
  prop = 2,
  app = 3,
  app_resp = 4,
  vote = 5,
  vote_resp = 6,
  snap = 7,
  heartbeat = 8,
  heartbeat_resp = 9,
  unreachable = 10,
  snap_status = 11,
  check_quorum = 12,
  transfer_leader = 13,
  timeout_now = 14,
  read_index = 15,
  read_index_resp = 16,
  pre_vote = 17,
  pre_vote_resp = 18,
  storage_append = 19,
  storage_append_resp = 20,
  storage_apply = 21,
  storage_apply_resp = 22,
  forget_leader = 23,
};
inline constexpr int kMessageTypes = 24;

// Context of a vote request by a member that was told to take over: it is considered in spite of
// the leader's lease.
inline constexpr std::string_view kCampaignTransfer = "CampaignTransfer";

// "MsgApp" and so on, as etcd's logs and metrics say; "MsgUnknown" for other numbers.
std::string_view name(MessageType type);

// Types that never come over the network.
bool is_local_message(MessageType type);
// Answers: they are refused from senders that are in no configuration.
bool is_response_message(MessageType type);

struct Message {
  MessageType type = MessageType::hup;
  bool reject = false;
  MemberId to;
  MemberId from;
  Term term;
  Term log_term;
  Index index;
  Index commit;
  MemberId vote;
  Index reject_hint;
  Entries entries;
  std::shared_ptr<const Snapshot>
      snapshot;  // immutable, shared with whoever sends it; null = absent
  SharedBytes context;
  std::vector<Message> responses;

  // A message of 3.4 to 3.6 carries an empty snapshot where 3.7 carries none (RAL-01).
  bool has_snapshot() const { return snapshot != nullptr && !snapshot->empty(); }
};
// Contents, not identity: an absent snapshot equals an empty one.
bool operator==(const Message& a, const Message& b);

}  // namespace holdfast::raft
