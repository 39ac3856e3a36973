// The address under which others are most likely to reach this machine (parity FLG-07; etcd pkg/netutil): the IPv4
// address of the interface that the default route leaves through, or else its IPv6 address.
#pragma once

#include <string>

#include "absl/status/statusor.h"

namespace holdfast::os {

absl::StatusOr<std::string> find_default_host();

}  // namespace holdfast::os
