// One raft member, as its owner uses it. Not thread-safe: one owner, one thread.
//
//   propose / step / tick / read_index ...
//   if (node.has_ready()) { Ready ready = node.ready(); ...carry it out...; node.advance(); }
//
// With Config::async_storage_writes there is no advance(): the responses in MsgStorageAppend and
// MsgStorageApply are stepped (or sent, if addressed to others) when the write is done. See
// ready.h.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "raft/confchange.h"
#include "raft/config.h"
#include "raft/message.h"
#include "raft/raft.h"
#include "raft/ready.h"
#include "raft/status.h"

namespace holdfast::raft {

enum class SnapshotStatus : uint8_t { finished, failed };

// A founding member, and what its conf change entry carries (RAL-15: the member as JSON).
struct Peer {
  MemberId id;
  SharedBytes context;
};

class RawNode {
 public:
  // Config::validate() must be ok; a log or ConfState in Storage that contradicts itself ends the
  // process.
  explicit RawNode(const Config& config);

  // A new cluster: the first entries are one conf change a founder, in the order given, committed
  // by fiat; every founder makes the same ones for itself (RAL-15). Errors: no peers, or the log is
  // not empty.
  absl::Status bootstrap(const std::vector<Peer>& peers);

  void tick() { raft_.tick(); }
  StepResult campaign();

  // A message that came from another member, or a storage thread's response.
  StepResult step(Message message);

  StepResult propose(SharedBytes data);
  // Several proposals as one message: appended together or not at all. Only type and data count.
  // Not empty.
  StepResult propose(Entries entries);
  StepResult propose_conf_change(const ConfChange& change);
  StepResult propose_conf_change(const ConfChangeV2& change);

  // To be called when a conf change entry is applied, unless the caller refuses the change. The new
  // configuration, for the next snapshot. A change that is not allowed ends the process.
  // `at`: the index of the entry. Changes that a snapshot taken over meanwhile already contains
  // are ignored: with asynchronous writes, apply may still be at work on entries before it.
  ConfState apply_conf_change(const ConfChange& change, Index at) {
    return raft_.apply_conf_change(as_v2(change), at);
  }
  ConfState apply_conf_change(const ConfChangeV2& change, Index at) {
    return raft_.apply_conf_change(change, at);
  }

  // Asks for a ReadState with this context. May be lost (no leader, lost messages): ask again after
  // a while.
  void read_index(SharedBytes context);
  // Moves leadership to a voter that is or gets up to date; given up after an election timeout
  // (RAL-10).
  void transfer_leader(MemberId to);
  // A follower forgets its leader, so that it may vote for another at once.
  StepResult forget_leader();
  void report_unreachable(MemberId id);
  void report_snapshot(MemberId id, SnapshotStatus status);

  bool has_ready() const;
  // Takes what is outstanding; the caller must carry it out.
  Ready ready();
  // Only without async_storage_writes: the last Ready is stored and applied.
  void advance();

  Status status() const;
  BasicStatus basic_status() const;
  // In ascending order of id; not copied.
  void visit_progress(absl::FunctionRef<void(MemberId, const Progress&)> visit) const;

  MemberId id() const { return raft_.id(); }
  MemberId lead() const { return raft_.lead(); }
  bool has_leader() const { return raft_.lead() != kNone; }
  Term term() const { return raft_.term(); }
  StateType state() const { return raft_.state(); }
  Index committed() const { return raft_.log().committed(); }
  Index applied() const { return raft_.log().applied(); }
  const Raft& raft() const { return raft_; }

  // Fixes the current election timeout until the next change of role: for harnesses that count
  // ticks.
  void set_randomized_election_timeout(int ticks) { raft_.set_randomized_election_timeout(ticks); }

 private:
  AllowUnstable apply_unstable() const { return async_ ? AllowUnstable::no : AllowUnstable::yes; }
  bool needs_append(const Ready& ready) const;
  bool needs_append_response(const Ready& ready) const;
  Message append_response(const Ready& ready) const;
  void add_storage_messages(Ready& ready);
  void split_messages_after_append(Ready& ready);
  void accept(const Ready& ready);

  Raft raft_;
  const bool async_;
  SoftState previous_soft_state_;
  HardState previous_hard_state_;
  std::vector<Message> steps_on_advance_;
};

// True if the change from `previous` to `now`, with so many new entries, must be synced to disk
// (RAL-16).
bool must_sync(const HardState& now, const HardState& previous, size_t entries);

}  // namespace holdfast::raft
