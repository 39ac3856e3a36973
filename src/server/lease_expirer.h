// On the leader, revokes leases whose time is up (etcd revokeExpiredLeases; parity LEA-13, LEA-14, TRP-25). An expiry is
// a LeaseRevoke through the log like any other write, so that all members lose the lease, and its keys, at one revision.
// Runs on the apply owner's executor, which is where leases are promoted and demoted too.
#pragma once

#include <deque>

#include "apply/guarded_lessor.h"
#include "base/log.h"
#include "env/executor.h"
#include "env/metrics.h"
#include "server/apply_owner.h"
#include "server/chore.h"
#include "server/leadership.h"
#include "server/raft_owner.h"
#include "server/request_path.h"

namespace holdfast::server {

class LeaseExpirer : public Chore, public ApplyListener, public LeadershipListener {
 public:
  LeaseExpirer(env::Executor& executor, apply::GuardedLessor& leases, const Leadership& leadership,
               Proposer& proposer, Logger& log, env::Metrics& metrics,
               env::Duration election_timeout);
  ~LeaseExpirer() override;

  std::string_view name() const override { return "lease-expiry"; }
  void start() override;
  void stop() override;

  void on_first_commit_in_term(bool leading) override;
  void on_leadership(MemberId lead, raft::StateType state) override;

 private:
  void check();
  void revoke_next();
  void revoke(LeaseId id);

  env::Executor& executor_;
  apply::GuardedLessor& leases_;
  const Leadership& leadership_;
  Proposer& proposer_;
  Logger& log_;
  env::Counter& expired_;
  const env::Duration election_timeout_;
  std::deque<LeaseId> due_;
  int under_way_ = 0;
  env::TimerId timer_ = 0;
  bool stopped_ = false;
};

}  // namespace holdfast::server
