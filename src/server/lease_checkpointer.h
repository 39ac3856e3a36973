// On the leader, writes the remaining time of long leases into the log now and then, so that a new leader doesn't give
// them their whole TTL again (etcd checkpointScheduledLeases; parity LEA-15; gate LeaseCheckpoint: without it the lessor
// has none to give). Runs on the apply owner's executor.
#pragma once

#include "apply/guarded_lessor.h"
#include "base/log.h"
#include "env/executor.h"
#include "server/chore.h"
#include "server/leadership.h"
#include "server/request_path.h"

namespace holdfast::server {

class LeaseCheckpointer : public Chore {
 public:
  struct Parts {
    env::Executor& executor;
    apply::GuardedLessor& leases;
    const Leadership& leadership;
    Proposer& proposer;
    Logger& log;
  };
  explicit LeaseCheckpointer(Parts parts) : parts_(parts) {}
  ~LeaseCheckpointer() override { parts_.executor.cancel(timer_); }

  std::string_view name() const override { return "lease-checkpoint"; }
  void start() override;
  void stop() override;

 private:
  void check();
  void propose(const std::vector<lease::Checkpoint>& checkpoints);

  const Parts parts_;
  env::TimerId timer_ = 0;
  bool under_way_ = false;
  bool stopped_ = false;
};

}  // namespace holdfast::server
