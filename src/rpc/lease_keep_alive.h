// One LeaseKeepAlive stream: one answer a request, in order (LEA-05, LEA-06).
#pragma once

#include <memory>

#include "net/grpc_call.h"
#include "rpc/rpc.h"

namespace holdfast::rpc {

// Null if the call was refused (and finished).
std::unique_ptr<net::StreamSession> open_lease_keep_alive(const Rpc& rpc, net::StreamCallRef call);

}  // namespace holdfast::rpc
