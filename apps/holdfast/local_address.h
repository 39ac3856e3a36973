// The address that a member's connections to its peers come from (feature gate SetMemberLocalAddr, parity FG-07; etcd
// server/embed/config.go InferLocalAddr).
#pragma once

#include <string>

#include "apps/holdfast/config.h"
#include "base/log.h"

namespace holdfast::config {

// With the gate: the first of --initial-advertise-peer-urls that is an IP address, neither a loopback one nor "any".
// Empty: the system's choice. Says on `log` what it found.
std::string find_local_address(const Config& config, Logger& log);

}  // namespace holdfast::config
