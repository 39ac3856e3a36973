// Host names. The calls wait for the network: not on an owner's thread that others rely on. Thread-safe.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"

namespace holdfast::env {

class NameResolver {
 public:
  virtual ~NameResolver() = default;

  // The IP addresses of a host, in the system's order of preference; not empty. An IP address stands for itself.
  virtual absl::StatusOr<std::vector<std::string>> addresses(const std::string& host) = 0;

  // DNS SRV records of `name`, "_service._tcp.domain", by priority and then by weight (RFC 2782); not empty.
  struct Service {
    std::string target;  // with the dot at its end, if the server sent one
    uint16_t port = 0;
    uint16_t priority = 0;
    uint16_t weight = 0;
  };
  virtual absl::StatusOr<std::vector<Service>> services(const std::string& name) = 0;
};

}  // namespace holdfast::env
