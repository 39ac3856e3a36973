// One Maintenance.Snapshot call: pieces are made when the client has taken the ones before (MNT-08, TRP-37).
#pragma once

#include <memory>

#include "net/grpc_call.h"
#include "rpc/rpc.h"

namespace holdfast::rpc {

// Null if the call was refused (and finished).
std::unique_ptr<net::StreamSession> open_snapshot(const Rpc& rpc, net::StreamCallRef call);

}  // namespace holdfast::rpc
