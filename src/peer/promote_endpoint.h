// POST /members/promote/{decimal id} on the peer port: a promotion that another member passes on to the leader (etcd
// etcdhttp/peer.go; parity PEERH-03).
#pragma once

#include "base/log.h"
#include "peer/peer_endpoints.h"
#include "server/membership_changes.h"

namespace holdfast::peer {

inline constexpr const char* kPromotePath = "/members/promote/";

// For PeerEndpoints::add(kPromotePath, ...). Everything outlives it.
PeerEndpoints::Handler promote_endpoint(const Identity& self, server::MembershipChanges& membership,
                                        Logger& log);

}  // namespace holdfast::peer
