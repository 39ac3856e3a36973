// One Election.Observe stream (ELC-04): each leader of an election, and each value it proclaims.
#pragma once

#include <memory>

#include "net/grpc_server.h"
#include "rpc/rpc.h"

namespace holdfast::rpc {

// Null if the call was refused (and finished).
std::unique_ptr<net::StreamSession> open_election_observer(const net::GrpcServer& server,
                                                           const Rpc& rpc, net::StreamCallRef call);

}  // namespace holdfast::rpc
