// Ends the wait of proposals whose time is up, with the error that says what raft knows about the reason (etcd
// parseProposeCtxErr; parity PUT-07, PUT-09, PUT-10). Runs on the raft owner's executor.
#pragma once

#include <functional>
#include <vector>

#include "server/peers.h"
#include "server/raft_board.h"
#include "server/raft_owner.h"
#include "server/wait_table.h"

namespace holdfast::server {

class ProposalTimeouts {
 public:
  struct Options {
    env::Duration election_timeout;
    MemberId self;
    // The cluster's voters now.
    std::function<std::vector<MemberId>()> voters;
  };
  ProposalTimeouts(RaftOwner& raft, WaitTable& waits, const RaftBoard& board, const Peers& peers,
                   Options options);
  ~ProposalTimeouts();

  void start();
  void stop();
  // What a request that began at `started` and got no result until now is told.
  absl::Status classify(env::Instant started) const;

 private:
  void check();
  bool connected_to_quorum_since(env::Instant since) const;

  RaftOwner& raft_;
  WaitTable& waits_;
  const RaftBoard& board_;
  const Peers& peers_;
  const Options options_;
  env::TimerId timer_ = 0;
  bool stopped_ = false;
};

}  // namespace holdfast::server
