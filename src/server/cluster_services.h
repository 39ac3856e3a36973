// The parts behind the RPCs that change the cluster, together, for rpc/ and peer ports.
#pragma once

#include "server/downgrades.h"
#include "server/leader_transfer.h"
#include "server/membership_changes.h"

namespace holdfast::server {

struct ClusterServices {
  MembershipChanges& membership;
  LeaderTransfer& transfer;
  Downgrades& downgrades;
};

}  // namespace holdfast::server
