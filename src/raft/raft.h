// The consensus core of one member: a state machine that takes messages and ticks, and collects
// messages to send and a log to store. No I/O, no clock, no thread. Raft paper sections 5 to 7,
// thesis chapters 3, 4, 6 and 9; behaviour, message for message and log line for log line, of
// etcd-io/raft v3.7.0 (parity RAL-*).
//
// RawNode (raw_node.h) is the way to use it: this class decides, RawNode turns the decisions into
// Readys.
//
// The parts, by the state they own: log.h and unstable.h (the log), tracker.h (configuration and
// progress), read_only.h (reads under way), LeaderState below (what only a leader has). The code is
// split the same way: raft.cc (roles and steps common to all), election.cc, leader.cc, follower.cc,
// reconfigure.cc.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/random.h"
#include "base/types.h"
#include "raft/confchange.h"
#include "raft/config.h"
#include "raft/log.h"
#include "raft/message.h"
#include "raft/read_only.h"
#include "raft/ready.h"
#include "raft/tracker.h"

namespace holdfast::raft {

// What a step that did nothing useful says about the message.
enum class [[nodiscard]] StepResult : uint8_t{
    ok,
    proposal_dropped,  // no leader, transfer under way, too much uncommitted, removed: the proposer
                       // should fail fast
    local_message,     // a local message type came from another member
    peer_not_found,    // an answer from nobody in the configuration
};
// etcd's text: "raft proposal dropped", ...
std::string_view text(StepResult result);

// A new leader holds reads until its first commit; beyond this many, further ones are dropped, and
// readers ask again.
inline constexpr size_t kMaxPendingReads = 1 << 16;

// What only a leader has; exists while a node leads.
struct LeaderState {
  int heartbeat_elapsed = 0;
  MemberId transferee;  // of the leadership transfer under way (thesis 3.10)
  // At least the index of the last conf change in the log; another one may be proposed once this is
  // applied.
  Index pending_conf_index;
  // Payload of entries appended and not yet applied; an estimate that may be too low.
  uint64_t uncommitted_size = 0;
  ReadOnly read_only;
};

class Raft {
 public:
  explicit Raft(const Config& config);

  // Hands in a message from another member, from the node's own storage threads, or from itself.
  StepResult step(Message message);
  void tick();
  // See RawNode.
  ConfState apply_conf_change(const ConfChangeV2& change, Index at);

  MemberId id() const { return id_; }
  Term term() const { return term_; }
  MemberId vote() const { return vote_; }
  MemberId lead() const { return lead_; }
  StateType state() const { return state_; }
  bool is_learner() const { return is_learner_; }
  const Log& log() const { return log_; }
  Log& log() {
    ++changes_;
    return log_;
  }
  const ProgressTracker& tracker() const { return tracker_; }
  // The entry, or snapshot, whose configuration was taken over last; 0: none since the start.
  Index configured_at() const { return configured_at_; }
  Index configured_by_snapshot() const { return configured_by_snapshot_; }
  HardState hard_state() const { return {term_, vote_, log_.committed()}; }
  SoftState soft_state() const { return {lead_, state_}; }
  MemberId lead_transferee() const { return leader_ ? leader_->transferee : kNone; }
  Index pending_conf_index() const { return leader_ ? leader_->pending_conf_index : Index(0); }
  uint64_t uncommitted_size() const { return leader_ ? leader_->uncommitted_size : 0; }
  int election_elapsed() const { return election_elapsed_; }
  int randomized_election_timeout() const { return randomized_election_timeout_; }
  Logger& logger() const { return logger_; }
  // Grows with each call that may change what the methods above say: who has looked since the last
  // one need not look again.
  uint64_t changes() const { return changes_; }

  // Until the next change of role.
  void set_randomized_election_timeout(int ticks) { randomized_election_timeout_ = ticks; }
  void become_follower(Term term, MemberId lead);

  // What is to go out with the next Ready. `now` may go at once; `after_append` only when
  // everything that is unstable now is durable (votes and acknowledgements rest on it; Raft
  // thesis 3.8), and may be addressed to this node itself.
  struct Outbox {
    std::vector<Message> now;
    std::vector<Message> after_append;
    std::vector<ReadState> read_states;
  };
  Outbox& outbox() { return outbox_; }
  const Outbox& outbox() const { return outbox_; }

 private:
  enum class Campaign : uint8_t { pre_election, election, transfer };
  enum class SendEmpty : bool { no, yes };

  // raft.cc
  StepResult dispatch(Message& message);
  bool step_higher_term(const Message& message);
  void step_lower_term(const Message& message);
  bool in_lease() const;
  void handle_storage_append_resp(const Message& message);
  void handle_storage_apply_resp(const Message& message);
  void send(Message message);
  void reset(Term term);
  void load_state(const HardState& state);
  void applied_to(Index index, uint64_t size);
  void applied_snapshot(const Snapshot& snapshot);
  void tick_election();
  void tick_heartbeat();
  void step_self(MessageType type);

  // election.cc
  bool promotable() const;
  bool has_unapplied_conf_changes() const;
  void become_candidate();
  void become_pre_candidate();
  void become_leader();
  void hup(Campaign campaign);
  void campaign(Campaign campaign);
  void handle_vote_request(const Message& message);
  void handle_vote_response(const Message& message);
  void reset_randomized_election_timeout();
  StepResult step_candidate(Message& message);

  // leader.cc
  StepResult step_leader(Message& message);
  StepResult handle_proposal(Message& message);
  bool admit_conf_changes(Message& message);
  std::string conf_change_refusal(const ConfChangeV2& change) const;
  void handle_append_response(const Message& message, Progress& progress);
  void handle_append_rejection(const Message& message, Progress& progress);
  void handle_append_progress(const Message& message, Progress& progress);
  void handle_heartbeat_response(const Message& message, Progress& progress);
  void handle_snapshot_status(const Message& message, Progress& progress);
  void handle_unreachable(const Message& message, Progress& progress);
  void handle_transfer_leader(const Message& message, Progress& progress);
  void check_quorum_active();
  bool append_entries(const Entries& entries);
  bool maybe_commit();
  void broadcast_append();
  void broadcast_heartbeat();
  bool maybe_send_append(MemberId to, Progress& progress, SendEmpty send_empty);
  bool maybe_send_snapshot(MemberId to, Progress& progress);
  void send_timeout_now(MemberId to);
  bool increase_uncommitted_size(uint64_t payload);

  // reads.cc
  bool committed_in_current_term() const;
  void handle_read_index(Message message);
  void start_read(Message message);
  void release_pending_reads();
  void answer_read(const Message& request, Index index);

  // follower.cc
  StepResult step_follower(Message& message);
  StepResult forward_proposal(Message& message);
  void forward(Message& message);
  void handle_append(const Message& message);
  void handle_heartbeat(const Message& message);
  void handle_snapshot(const Message& message);
  bool restore(const std::shared_ptr<const Snapshot>& snapshot);
  void forget_leader();

  // reconfigure.cc
  ConfState switch_to(Configuration configuration);
  void adopt(const ConfState& state);

  uint64_t changes_ = 0;

  // Constant after construction.
  const MemberId id_;
  const Config config_;
  Logger& logger_;

  // Persistent state, with log_.committed(): see hard_state().
  Term term_;
  MemberId vote_;
  Log log_;

  // Volatile state of every role.
  StateType state_ = StateType::follower;
  MemberId lead_;
  bool is_learner_ = false;
  ProgressTracker tracker_;
  // Of the last snapshot restored: its configuration contains all changes up to here.
  Index configured_by_snapshot_;
  Index configured_at_;
  int election_elapsed_ = 0;
  int randomized_election_timeout_ = 0;
  Random random_;

  std::optional<LeaderState> leader_;
  // Reads that came before this leader's first commit. They outlive a loss of leadership, as etcd's
  // do.
  std::vector<Message> pending_reads_;
  Outbox outbox_;
};

}  // namespace holdfast::raft
