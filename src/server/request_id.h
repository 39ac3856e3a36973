// Unique request ids without coordination (etcd pkg/idutil; parity PUT-04):
//
//   | 16 bits: low bits of the member id | 40 bits: unix milliseconds at start | 8 bits: counter |
//
// next() adds one to the lower 48 bits, so the counter may grow into the time bits: a restart within the same
// millisecond is the only way to repeat an id. Thread-safe.
#pragma once

#include <atomic>
#include <cstdint>

#include "base/types.h"

namespace holdfast::server {

class RequestIdGenerator {
 public:
  RequestIdGenerator(MemberId member, int64_t unix_nanoseconds);
  uint64_t next();

 private:
  const uint64_t prefix_;
  std::atomic<uint64_t> suffix_;
};

}  // namespace holdfast::server
