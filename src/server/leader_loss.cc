#include "server/leader_loss.h"

#include <utility>

namespace holdfast::server {

void LeaderLoss::on_gone(MemberId id) {
  const raft::RawNode& node = parts_.raft.node();
  if (!options_.pre_vote || node.state() != raft::StateType::follower || node.lead() != id) return;
  if (std::exchange(skipped_in_, node.term()) == node.term()) return;
  const int ticks = options_.election_ticks - 1;
  parts_.log.info("the leader's process has ended; fast-forwarding election ticks",
                  {{"local-member-id", parts_.self}, {"leader", id}, {"forward-ticks", ticks}});
  parts_.raft.advance_ticks(ticks);
}

}  // namespace holdfast::server
