// Waits for the moments at which a fault does the most harm: a member has just given its vote away, has just asked for
// those of others, or has just begun to lead. The messages on the network show them.
#pragma once

#include <array>
#include <functional>

#include "base/random.h"
#include "base/types.h"
#include "raft/message.h"
#include "sim/scheduler.h"

namespace holdfast::sim {

class Ambush {
 public:
  enum class Moment : uint8_t { vote_given, votes_asked, leader_elected };
  // Somebody has come to such a moment. Called by an event of its own, but of asked votes at once, within a task of the one
  // that asks.
  using Strike = std::function<void(MemberId, Moment)>;

  // Strikes come within `delay_max` of the moment, most of them much sooner.
  Ambush(SimScheduler& scheduler, Random random, env::Duration delay_max, Strike strike);

  // From now on until then.
  void lie_in_wait(Moment moment, env::Instant until);
  void call_off();
  // Of every message that is sent; may be called within a task of the sender.
  void saw(const raft::Message& message);

 private:
  void strike_soon(MemberId whom, Moment moment);
  bool waits_for(Moment moment) const;

  SimScheduler& scheduler_;
  Random random_;
  const env::Duration delay_max_;
  const Strike strike_;
  std::array<env::Instant, 3> until_{};  // by moment
  // Of each moment, the last one that was seen: it comes once, its messages often.
  Term leader_seen_{0};
  Term candidate_seen_{0};
};

}  // namespace holdfast::sim
