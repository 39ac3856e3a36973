// MemberAdd, MemberRemove, MemberUpdate and MemberPromote up to the conf change and its answer (etcd server.go AddMember,
// RemoveMember, PromoteMember, UpdateMember; parity CLU-01..09, CLU-11, OPS-07, OPS-08, FWD-01, FWD-02). Only the leader
// knows how far a learner is, so other members pass a promotion on to it.
//
// Calls on context.reply_on; answers exactly once there, perhaps inside the call. Holds no state: several threads may
// call at once.
#pragma once

#include <string>
#include <vector>

#include "base/log.h"
#include "env/clock.h"
#include "env/metrics.h"
#include "membership/cluster.h"
#include "server/access_control.h"
#include "server/applied_waits.h"
#include "server/member_info.h"
#include "server/peers.h"
#include "server/raft_control.h"
#include "server/remote_cluster.h"
#include "server/request_path.h"

namespace holdfast::server {

class MembershipChanges {
 public:
  struct Parts {
    ConfChangeProposer& proposer;
    const MemberInfo& member;
    const AccessControl& access;
    RaftControl& raft;
    AppliedWaits& applied;
    const Peers& peers;
    RemoteCluster* remote;  // null: a cluster of one
    const env::Clock& clock;
    env::Metrics& metrics;
    Logger& log;
  };
  struct Options {
    bool strict_reconfig_check = true;
    env::Duration request_timeout;
    env::Duration election_timeout;
  };
  MembershipChanges(Parts parts, Options options);

  using Members = std::vector<membership::Member>;
  using MembersDone = UniqueFunction<void(absl::StatusOr<Members>)>;
  struct Added {
    membership::Member member;
    Members members;
  };
  enum class Role : uint8_t { voter, learner };
  void add(const CallContext& context, const std::vector<std::string>& peer_urls, Role role,
           UniqueFunction<void(absl::StatusOr<Added>)> done);
  void remove(const CallContext& context, MemberId id, MembersDone done);
  void update(const CallContext& context, MemberId id, const std::vector<std::string>& peer_urls,
              MembersDone done);
  // `token`: the caller's, to be passed on to the leader.
  void promote(const CallContext& context, MemberId id, std::string token, MembersDone done);

 private:
  struct Forward;
  absl::Status may_add(const membership::Member& member) const;
  absl::Status may_remove(MemberId id) const;
  absl::Status is_ready(MemberId id, const RaftControl::Match& match) const;
  absl::Status may_promote(MemberId id) const;
  void promote_here(const CallContext& context, MemberId id, MembersDone done);
  void forward(std::shared_ptr<Forward> forward);  // shared by the steps that follow one another
  void ask_leader(std::shared_ptr<Forward> forward /* shared like it */, std::vector<std::string> urls, size_t next);
  void configure(const CallContext& context, raft::ConfChange change, MembersDone done);
  size_t connected_since(env::Instant since, const std::vector<MemberId>& voters) const;
  Members members() const;

  const Parts parts_;
  const Options options_;
};

}  // namespace holdfast::server
