// One RangeStream call: chunks are read when the client has taken the ones before (RS-01..08).
#pragma once

#include <memory>

#include "net/grpc_call.h"
#include "rpc/rpc.h"

namespace holdfast::rpc {

// Null if the call was refused (and finished).
std::unique_ptr<net::StreamSession> open_range_stream(const Rpc& rpc, net::StreamCallRef call);

}  // namespace holdfast::rpc
