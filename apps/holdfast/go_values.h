// Values as Go's flag, strconv and time packages read and print them: etcd's users know these forms and these errors.
// Pure.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "env/clock.h"

namespace holdfast::config {

// InvalidArgument "parse error" or OutOfRange "value out of range", as package flag words them.
absl::StatusOr<bool> parse_go_bool(std::string_view text);
// Base 0: decimal, 0x, 0o, 0b, leading 0 (octal), '_' between digits.
absl::StatusOr<uint64_t> parse_go_uint(std::string_view text, int bits);
absl::StatusOr<int64_t> parse_go_int(std::string_view text);
// "1h30m", "1.5s", "-2us", "0". The error is time.ParseDuration's own text.
absl::StatusOr<env::Duration> parse_go_duration(std::string_view text);


}  // namespace holdfast::config
