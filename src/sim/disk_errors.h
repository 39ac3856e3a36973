// What a SimDisk says when it refuses, as the system would.
#pragma once

#include <string_view>

#include "absl/status/status.h"
#include "base/errors.h"
#include "fmt/format.h"

namespace holdfast::sim {

inline absl::Status failure(absl::StatusCode code, std::string_view operation, std::string_view path,
                     std::string_view reason) {
  return make_status(code, fmt::format("{} {}: {}", operation, path, reason));
}
inline absl::Status not_found(std::string_view operation, std::string_view path) {
  return failure(absl::StatusCode::kNotFound, operation, path, "No such file or directory");
}
inline absl::Status io_error(std::string_view operation, std::string_view path) {
  return failure(absl::StatusCode::kDataLoss, operation, path, "Input/output error");
}

}  // namespace holdfast::sim
