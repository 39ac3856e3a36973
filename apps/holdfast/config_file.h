// The --config-file: YAML, and with it JSON, in etcd's form (parity FLG-03). Durations are integer nanoseconds; TLS
// stands in client-transport-security and peer-transport-security; unknown keys are ignored; keys compare without
// regard to case, as Go's JSON does.
#pragma once

#include <string_view>

#include "absl/status/status.h"
#include "apps/holdfast/config.h"

namespace holdfast::config {

// Sets what `text` says in `config`, which holds the defaults. InvalidArgument names the key on a value of the wrong
// type. Does not validate across fields.
absl::Status apply_config_file(std::string_view text, Config& config);

// One flat JSON object of log rotation settings (--log-rotation-config-json), with etcd's error texts.
absl::StatusOr<LogRotation> parse_log_rotation(std::string_view json);

}  // namespace holdfast::config
