// What must hold of a node after every step, and of a cluster whenever it is looked at. For tests
// and simulation: a node costs a few comparisons and log look-ups a step. Nothing here changes
// anything.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <string>

#include "absl/status/status.h"
#include "base/types.h"
#include "raft/raft.h"

namespace holdfast::raft {

// One member, over all its restarts. A violation is an Internal error whose text says which rule
// broke.
//
// Checked as states: positions in the log are in order and inside it; terms do not fall along the
// log nor exceed the node's; progress fits the configuration, the log and its own state; who leads
// whom fits the role. Checked as changes: the term never falls; at most one vote a term; committed
// and applied never fall, and what is committed stays as it is; a leader only appends (Raft figure
// 3: Leader Append-Only) and commits by counting what is of its own term (5.4.2); one leader a term.
class Invariants {
 public:
  absl::Status check(const Raft& raft);

  // The process was restarted. What was durable may not have gone back; commit and applied may
  // have.
  void restarted();

 private:
  struct Seen {
    Term term;
    MemberId vote;
    MemberId lead;  // known in this term; stays when the leader is forgotten
    StateType state = StateType::follower;
    EntryId last;
    EntryId committed;
    Index applied;
  };

  // What several rules ask the log for.
  struct Ends {
    EntryId last;
    EntryId committed;
  };

  static Ends ends_of(const Log& log);
  static absl::Status check_log(const Raft& raft, const Ends& ends);
  absl::Status check_changes(const Raft& raft, const Ends& ends) const;
  void remember(const Raft& raft, const Ends& ends);

  bool has_seen_ = false;
  Seen seen_;
};

// All members of one cluster. Election Safety, Leader Completeness and State Machine Safety of Raft
// figure 3. A member that leads a term, forgets it in a crash and is elected in it again counts as two leaders: what it
// proposes the second time has the indices and the term of what it proposed the first time.
class ClusterInvariants {
 public:
  // After a step of a member. Cost: the entries committed since the last call for it.
  absl::Status check(const Raft& raft);

  // Log Matching, for two members as they are now: where both logs have an entry of the same index
  // and term, all before are equal. Cost: the logs.
  static absl::Status check_log_matching(const Raft& a, const Raft& b);

  // The highest index that any member has been seen to have committed.
  Index committed() const { return Index(first_.value + entries_.size() - 1); }

 private:
  // Committed entries remembered: behind that many, a member is compared with what is left.
  static constexpr size_t kWindow = 1 << 20;

  struct Committed {
    Term term;
    uint64_t digest;    // of type and payload; 0 if only the term is known (from a snapshot)
    Term seen_in_term;  // no lower than the term it was committed in
  };
  struct Member {
    Index committed;
    Term term;
    StateType state = StateType::follower;
  };

  absl::Status check_leader(const Raft& raft, const Member& before);
  absl::Status check_committed(const Raft& raft, Member& member);
  absl::Status compare(const Raft& raft, Index index, Committed entry);

  struct Reign {
    MemberId leader;
    bool begun = false;  // seen to lead itself, not only named by others
  };
  std::map<Term, Reign> reigns_;
  std::map<MemberId, Member> members_;
  // entries_[i] was committed at first_ + i.
  Index first_{1};
  std::deque<Committed> entries_;
};

}  // namespace holdfast::raft
