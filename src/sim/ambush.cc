#include "sim/ambush.h"

#include <algorithm>
#include <utility>

namespace holdfast::sim {

Ambush::Ambush(SimScheduler& scheduler, Random random, env::Duration delay_max, Strike strike)
    : scheduler_(scheduler), random_(random), delay_max_(delay_max), strike_(std::move(strike)) {}

void Ambush::lie_in_wait(Moment moment, env::Instant until) {
  env::Instant& end = until_[static_cast<size_t>(moment)];
  end = std::max(end, until);
}

void Ambush::call_off() { until_ = {}; }

bool Ambush::waits_for(Moment moment) const { return scheduler_.now() < until_[static_cast<size_t>(moment)]; }

void Ambush::saw(const raft::Message& message) {
  switch (message.type) {
    case raft::MessageType::vote_resp:
      if (!message.reject && waits_for(Moment::vote_given)) strike_soon(message.from, Moment::vote_given);
      return;
    case raft::MessageType::vote:
      if (message.term <= candidate_seen_) return;
      candidate_seen_ = message.term;
      if (waits_for(Moment::votes_asked)) strike_(message.from, Moment::votes_asked);
      return;
    case raft::MessageType::app:
    case raft::MessageType::heartbeat:
      if (message.term <= leader_seen_) return;
      leader_seen_ = message.term;
      if (waits_for(Moment::leader_elected)) strike_soon(message.from, Moment::leader_elected);
      return;
    default:
      return;
  }
}

void Ambush::strike_soon(MemberId whom, Moment moment) {
  if (!random_.chance(2, 3)) return;
  // Before the first of its messages arrives, or after the last, or between.
  const auto bound = static_cast<uint64_t>(delay_max_.count()) >> random_.below(8);
  scheduler_.after(env::Duration(static_cast<int64_t>(random_.below(bound + 1))), [this, whom, moment] {
    if (waits_for(moment)) strike_(whom, moment);
  });
}

}  // namespace holdfast::sim
