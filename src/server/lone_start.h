// A cluster of one need not wait for anybody's silence (parity OPS-09): its only member stands for election at once, that is
// as soon as it has applied what its log says about the cluster's members, before which raft doesn't let it. Where etcd
// skips one election timeout less a tick, and then waits for what chance adds to it, half a second on average, this skips
// the longest that can be drawn.
#pragma once

#include "server/after_replay.h"
#include "server/raft_owner.h"

namespace holdfast::server {

class LoneStart : public AfterReplay {
 public:
  // To be started after the raft owner.
  LoneStart(RaftOwner& raft, const MemberInfo& member, int election_ticks)
      : AfterReplay(raft.executor(), member), raft_(raft), election_ticks_(election_ticks) {}

  std::string_view name() const override { return "lone-start"; }
  void stop() override {}

 private:
  void on_replayed() override { raft_.advance_ticks(2 * election_ticks_ - 1); }

  RaftOwner& raft_;
  const int election_ticks_;
};

}  // namespace holdfast::server
