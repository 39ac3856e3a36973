// A leader whose process has ended need not be waited for: once nobody listens at its peer port any more, all election ticks
// but one that wait for its silence are skipped. What chance adds to them, so that not all campaign at once, stays. The
// pre-vote keeps it harmless: whoever still hears the leader does not vote (docs/decisions/0022). etcd waits them out.
#pragma once

#include "base/log.h"
#include "server/raft_owner.h"

namespace holdfast::server {

// On the raft executor.
class LeaderLoss {
 public:
  struct Parts {
    RaftOwner& raft;
    Logger& log;
    MemberId self;
  };
  struct Options {
    int election_ticks = 10;
    bool pre_vote = true;  // without: does nothing
  };
  LeaderLoss(Parts parts, Options options) : parts_(parts), options_(options) {}

  // Skips the ticks if this member follows `id`; once a term, since one that starts again never leads in the same.
  void on_gone(MemberId id);

 private:
  const Parts parts_;
  const Options options_;
  Term skipped_in_;
};

}  // namespace holdfast::server
