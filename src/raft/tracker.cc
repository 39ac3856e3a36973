#include "raft/tracker.h"

#include <algorithm>

namespace holdfast::raft {

std::string describe(const TrackerConfig& config) {
  std::string out = "voters=" + describe(config.voters);
  if (!config.learners.empty()) out += " learners=" + describe(config.learners);
  if (!config.learners_next.empty()) out += " learners_next=" + describe(config.learners_next);
  if (config.auto_leave) out += " autoleave";
  return out;
}

ConfState conf_state(const TrackerConfig& config) {
  return ConfState{.voters = config.voters.incoming.ids(),
                   .learners = config.learners.ids(),
                   .voters_outgoing = config.voters.outgoing.ids(),
                   .learners_next = config.learners_next.ids(),
                   .auto_leave = config.auto_leave};
}

Progress ProgressTracker::fresh_progress() const {
  Progress fresh;
  fresh.inflights = Inflights(max_inflight_, max_inflight_bytes_);
  return fresh;
}

Index ProgressTracker::committed() const {
  return config.voters.committed_index([this](MemberId id) -> std::optional<Index> {
    const Progress* member = progress.find(id);
    return member ? std::optional<Index>(member->match) : std::nullopt;
  });
}

bool ProgressTracker::quorum_active() const {
  return config.voters.vote_result([this](MemberId id) -> std::optional<bool> {
    const Progress* member = progress.find(id);
    if (member == nullptr || member->is_learner) return std::nullopt;
    return member->recent_active;
  }) == VoteResult::won;
}

std::optional<bool> ProgressTracker::vote_of(MemberId id) const {
  const auto at = std::find_if(votes_.begin(), votes_.end(),
                               [id](const Vote& vote) { return vote.from == id; });
  return at == votes_.end() ? std::nullopt : std::optional<bool>(at->granted);
}

void ProgressTracker::record_vote(MemberId id, bool granted) {
  if (!vote_of(id)) votes_.push_back({id, granted});
}

VoteTally ProgressTracker::tally_votes() const {
  VoteTally tally;
  for (const auto& [id, member] : progress) {
    if (member.is_learner) continue;
    const std::optional<bool> vote = vote_of(id);
    if (!vote) continue;
    ++(*vote ? tally.granted : tally.rejected);
  }
  tally.result = config.voters.vote_result([this](MemberId id) { return vote_of(id); });
  return tally;
}

}  // namespace holdfast::raft
