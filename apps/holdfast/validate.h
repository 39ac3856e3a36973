// What etcd refuses before it starts (parity FLG-06; etcd embed/config.go Validate, config_logging.go), with its texts.
#pragma once

#include <vector>

#include "absl/status/status.h"
#include "apps/holdfast/command_line.h"
#include "apps/holdfast/config.h"

namespace holdfast::config {

// Log settings alone; fills the log part of config.resolved.
absl::Status validate_logging(Config& config);
// Everything else; fills the rest of config.resolved. Appends warnings to `notices`.
absl::Status validate(Config& config, std::vector<Notice>& notices);
// Names every flag that is not built yet and differs from its default.
absl::Status refuse_unbuilt(const Config& config);

}  // namespace holdfast::config
