// POST /leases and /leases/internal on the peer port: what other members ask this one's lessor
// (etcd leasehttp; parity PEERH-04, PEERH-05).
#pragma once

#include "net/http.h"
#include "peer/peer_endpoints.h"
#include "server/lease_requests.h"

namespace holdfast::peer {

// `leases` outlives the port.
void add_lease_endpoints(PeerEndpoints& endpoints, server::LeaseRequests& leases);

}  // namespace holdfast::peer
