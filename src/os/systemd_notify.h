// Tells systemd that the service is ready (parity OPS-18): one datagram to $NOTIFY_SOCKET, nothing if that isn't set.
#pragma once

#include <string_view>

namespace holdfast::os {

// `state` as sd_notify has it: "READY=1", "STOPPING=1". Failures are ignored: there is nobody to tell.
void notify_systemd(std::string_view state);

}  // namespace holdfast::os
