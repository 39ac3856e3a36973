// What a member does for those who ask: the request path's door, and a part for each group of RPCs.
#pragma once

#include <memory>

#include "server/access_control.h"
#include "server/cluster_facts.h"
#include "server/cluster_services.h"
#include "server/consensus.h"
#include "server/leader_lessor.h"
#include "server/leadership.h"
#include "server/lease_requests.h"
#include "server/member_givens.h"
#include "server/replicated_state.h"
#include "server/request_door.h"
#include "server/v3_server.h"

namespace holdfast::server {

struct MemberServices {
  // All are open already.
  MemberServices(const MemberGivens& given, MemberFacts& facts, ReplicatedState& state, Consensus& consensus);

  OpenAccess access;
  NoLeaderLessor no_leader_lessor;
  RequestDoor door;
  ClusterFacts cluster_facts;
  V3Server v3;
  Leadership leadership;
  LeaseRequests leases;
  MembershipChanges membership;
  LeaderTransfer transfer;
  Downgrades downgrades;
};

}  // namespace holdfast::server
