// Moves leadership to another member: on request, and when this one stops (etcd server.go MoveLeader,
// TryTransferLeadershipOnShutdown; parity MNT-09, OPS-11). Raft tells nobody how a transfer ends, so its outcome is looked
// for once a heartbeat. Holds no state: several threads may call at once.
#pragma once

#include "base/log.h"
#include "server/access_control.h"
#include "server/member_info.h"
#include "server/peers.h"
#include "server/raft_control.h"
#include "server/request_path.h"

namespace holdfast::server {

class LeaderTransfer {
 public:
  struct Parts {
    RaftControl& raft;
    const MemberInfo& member;
    const AccessControl& access;
    const Peers& peers;
    Logger& log;
  };
  struct Options {
    env::Duration heartbeat_interval;
    env::Duration request_timeout;
  };
  LeaderTransfer(Parts parts, Options options) : parts_(parts), options_(options) {}

  // Answers exactly once on the executor, perhaps inside the call.
  using Done = UniqueFunction<void(absl::Status)>;
  // Errors: not_leader, bad_leader_transferee, leader_transfer_timeout at the caller's deadline, which ReqTimeout bounds.
  void move(const CallContext& context, MemberId to, Done done);
  // To the voter that has been connected for longest, if this member leads and is not the only voter. Whatever the
  // outcome: OK when nothing had to be done, unhealthy if nobody is connected, or no longer: etcd waits out ReqTimeout, 7 s,
  // when a whole cluster is stopped.
  void hand_over(env::Executor& executor, Done done);

 private:
  struct Transfer;
  enum class Patience : uint8_t { till_deadline, while_connected };
  void begin(env::Executor& executor, env::Instant deadline, MemberId to, Patience patience, Done done);
  void look(Transfer transfer);

  const Parts parts_;
  const Options options_;
};

}  // namespace holdfast::server
