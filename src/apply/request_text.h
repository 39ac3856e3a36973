// An entry's request as the log shows it: sizes in place of values, nothing of passwords (etcd
// raft_internal_stringer.go). Private to apply/.
#pragma once

#include <string>

#include "apply/parsed_request.h"

namespace holdfast::apply {

std::string loggable(const ParsedRequest& request);

}  // namespace holdfast::apply
