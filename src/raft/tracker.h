// The active configuration, and what a leader knows of the others in it.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/types.h"
#include "raft/progress.h"
#include "raft/quorum.h"
#include "raft/types.h"

namespace holdfast::raft {

// Who votes and who only listens. Invariants: a learner is in no half of `voters`; learners_next
// are voters of the outgoing half that become learners when the joint configuration is left.
struct TrackerConfig {
  JointConfig voters;
  bool auto_leave = false;  // joint, and raft itself leaves it once it is applied
  MemberSet learners;
  MemberSet learners_next;

  bool joint() const { return voters.joint(); }
  bool operator==(const TrackerConfig&) const = default;
};
// "voters=(1 2 3)&&(1 2) learners=(4) autoleave"
std::string describe(const TrackerConfig& config);
ConfState conf_state(const TrackerConfig& config);

struct VoteTally {
  int granted = 0;
  int rejected = 0;
  VoteResult result = VoteResult::pending;
};

class ProgressTracker {
 public:
  // max_inflight_bytes 0: no limit.
  ProgressTracker(int max_inflight, uint64_t max_inflight_bytes)
      : max_inflight_(max_inflight), max_inflight_bytes_(max_inflight_bytes) {}

  TrackerConfig config;
  ProgressMap progress;

  Progress fresh_progress() const;
  // An empty tracker with the same limits.
  ProgressTracker emptied() const { return ProgressTracker(max_inflight_, max_inflight_bytes_); }

  bool singleton() const {
    return config.voters.incoming.size() == 1 && config.voters.outgoing.empty();
  }
  // What a quorum has acknowledged.
  Index committed() const;
  // Has a quorum been heard from?
  bool quorum_active() const;

  void reset_votes() { votes_.clear(); }
  // The first vote of a member counts.
  void record_vote(MemberId id, bool granted);
  VoteTally tally_votes() const;

 private:
  struct Vote {
    MemberId from;
    bool granted;
  };

  std::optional<bool> vote_of(MemberId id) const;

  int max_inflight_;
  uint64_t max_inflight_bytes_;
  std::vector<Vote> votes_;
};

}  // namespace holdfast::raft
