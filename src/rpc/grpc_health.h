// grpc.health.v1.Health for the whole server, service "" (MNT-12; grpc-go's health server).
#pragma once

#include <cstdint>
#include <map>
#include <mutex>

#include "net/grpc_call.h"

namespace holdfast::rpc {

// Thread-safe.
class GrpcHealth {
 public:
  enum class Serving : uint8_t { yes, no };

  Serving serving() const;
  // Tells everybody who watches, if it is a change.
  void set(Serving serving);

  // The stream gets the present state and every change of it, until it is removed. `known`: the
  // service asked for is ours; of others all that is ever said is SERVICE_UNKNOWN.
  enum class Service : uint8_t { known, unknown };
  uint64_t add(net::StreamCallRef call, Service service);
  void remove(uint64_t id);

 private:
  mutable std::mutex mutex_;
  Serving serving_ = Serving::yes;
  uint64_t last_id_ = 0;
  std::map<uint64_t, net::StreamCallRef> watchers_;
};

}  // namespace holdfast::rpc
