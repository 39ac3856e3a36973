// A member that starts beside others need not wait a whole election timeout for their silence: once peers are connected,
// all but two of its election ticks are skipped; a leader has time to make itself heard in those (etcd adjustTicks;
// parity OPS-09, --initial-election-tick-advance).
#pragma once

#include "base/log.h"
#include "membership/cluster.h"
#include "server/chore.h"
#include "server/member_info.h"
#include "server/peers.h"
#include "server/raft_owner.h"

namespace holdfast::server {

class TickAdvance : public Chore {
 public:
  struct Parts {
    RaftOwner& raft;
    const MemberInfo& member;
    const Peers& peers;
    Logger& log;
  };
  TickAdvance(Parts parts, int election_ticks) : parts_(parts), election_ticks_(election_ticks) {}
  ~TickAdvance() override { parts_.raft.executor().cancel(timer_); }

  std::string_view name() const override { return "tick-advance"; }
  void start() override;
  void stop() override;

 private:
  void look(int looks_left);

  const Parts parts_;
  const int election_ticks_;
  bool stopped_ = false;
  env::TimerId timer_ = 0;
};

}  // namespace holdfast::server
