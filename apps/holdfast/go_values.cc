#include "apps/holdfast/go_values.h"

#include <limits>
#include <optional>

#include "base/go_text.h"
#include "fmt/format.h"

namespace holdfast::config {
namespace {

absl::Status parse_error() { return absl::InvalidArgumentError("parse error"); }
absl::Status range_error() { return absl::OutOfRangeError("value out of range"); }

// Takes a base prefix off `text`. A leading 0 alone means octal.
int take_base(std::string_view& text) {
  if (text.size() < 2 || text[0] != '0') return 10;
  switch (text[1] | 0x20) {
    case 'x': text.remove_prefix(2); return 16;
    case 'o': text.remove_prefix(2); return 8;
    case 'b': text.remove_prefix(2); return 2;
    default: text.remove_prefix(1); return 8;
  }
}

int digit_value(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  const char lower = static_cast<char>(c | 0x20);
  return lower >= 'a' && lower <= 'f' ? lower - 'a' + 10 : 99;
}

struct DurationUnit {
  std::string_view name;
  uint64_t nanoseconds;
};
constexpr DurationUnit kDurationUnits[] = {
    {"ns", 1},           {"us", 1'000},           {"\xC2\xB5s", 1'000},        {"\xCE\xBCs", 1'000},
    {"ms", 1'000'000},   {"s", 1'000'000'000},    {"m", 60'000'000'000},       {"h", 3'600'000'000'000}};

std::optional<uint64_t> unit_nanoseconds(std::string_view name) {
  for (const DurationUnit& unit : kDurationUnits)
    if (unit.name == name) return unit.nanoseconds;
  return std::nullopt;
}

bool is_digit(char c) { return c >= '0' && c <= '9'; }

absl::Status bad_duration(std::string_view what, std::string_view text) {
  return absl::InvalidArgumentError(fmt::format("time: {} {}", what, go_quote(text)));
}

// One "12.5h" at the front of `rest`, in nanoseconds.
absl::StatusOr<unsigned __int128> take_duration_part(std::string_view& rest, std::string_view all) {
  constexpr unsigned __int128 kLimit = static_cast<unsigned __int128>(1) << 63;
  unsigned __int128 whole = 0;
  size_t i = 0;
  for (; i < rest.size() && is_digit(rest[i]); ++i) {
    whole = whole * 10 + static_cast<unsigned>(rest[i] - '0');
    if (whole > kLimit) return bad_duration("invalid duration", all);
  }
  bool any_digit = i > 0;
  unsigned __int128 fraction = 0;
  unsigned __int128 scale = 1;
  if (i < rest.size() && rest[i] == '.') {
    const size_t begin = ++i;
    for (; i < rest.size() && is_digit(rest[i]); ++i) {
      if (i - begin >= 18) continue;  // below a nanosecond for every unit
      fraction = fraction * 10 + static_cast<unsigned>(rest[i] - '0');
      scale *= 10;
    }
    any_digit = any_digit || i > begin;
  }
  if (!any_digit) return bad_duration("invalid duration", all);
  rest.remove_prefix(i);
  size_t length = 0;
  while (length < rest.size() && rest[length] != '.' && !is_digit(rest[length])) ++length;
  if (length == 0) return bad_duration("missing unit in duration", all);
  const auto unit = unit_nanoseconds(rest.substr(0, length));
  if (!unit)
    return absl::InvalidArgumentError(fmt::format("time: unknown unit {} in duration {}",
                                                  go_quote(rest.substr(0, length)), go_quote(all)));
  rest.remove_prefix(length);
  const unsigned __int128 value = whole * *unit + fraction * *unit / scale;
  if (value > kLimit) return bad_duration("invalid duration", all);
  return value;
}

}  // namespace

absl::StatusOr<bool> parse_go_bool(std::string_view text) {
  for (std::string_view word : {"1", "t", "T", "TRUE", "true", "True"})
    if (text == word) return true;
  for (std::string_view word : {"0", "f", "F", "FALSE", "false", "False"})
    if (text == word) return false;
  return parse_error();
}

absl::StatusOr<uint64_t> parse_go_uint(std::string_view text, int bits) {
  if (text.empty()) return parse_error();
  const std::string_view all = text;
  const int base = take_base(text);
  const uint64_t limit =
      bits == 64 ? std::numeric_limits<uint64_t>::max() : (uint64_t{1} << bits) - 1;
  bool after_digit = base != 10 || all == "0";  // '_' may follow a base prefix
  bool overflow = false;
  uint64_t value = 0;
  if (text.empty()) return parse_error();
  for (char c : text) {
    if (c == '_') {
      if (!after_digit) return parse_error();
      after_digit = false;
      continue;
    }
    const int digit = digit_value(c);
    if (digit >= base) return parse_error();
    after_digit = true;
    overflow = overflow || value > (limit - static_cast<uint64_t>(digit)) / base;
    value = value * base + digit;
  }
  if (!after_digit) return parse_error();
  if (overflow) return range_error();
  return value;
}

absl::StatusOr<int64_t> parse_go_int(std::string_view text) {
  const bool negative = !text.empty() && text[0] == '-';
  if (!text.empty() && (text[0] == '-' || text[0] == '+')) text.remove_prefix(1);
  const auto magnitude = parse_go_uint(text, 64);
  if (!magnitude.ok()) return magnitude.status();
  const uint64_t limit = uint64_t{1} << 63;
  if (*magnitude > limit || (!negative && *magnitude == limit)) return range_error();
  return negative ? static_cast<int64_t>(-*magnitude) : static_cast<int64_t>(*magnitude);
}

absl::StatusOr<env::Duration> parse_go_duration(std::string_view text) {
  std::string_view rest = text;
  const bool negative = !rest.empty() && rest[0] == '-';
  if (!rest.empty() && (rest[0] == '-' || rest[0] == '+')) rest.remove_prefix(1);
  if (rest == "0") return env::Duration(0);
  if (rest.empty()) return bad_duration("invalid duration", text);
  constexpr unsigned __int128 kLimit = static_cast<unsigned __int128>(1) << 63;
  unsigned __int128 total = 0;
  while (!rest.empty()) {
    const auto part = take_duration_part(rest, text);
    if (!part.ok()) return part.status();
    total += *part;
    if (total > kLimit) return bad_duration("invalid duration", text);
  }
  if (total == kLimit && !negative) return bad_duration("invalid duration", text);
  const uint64_t magnitude = static_cast<uint64_t>(total);
  return env::Duration(static_cast<int64_t>(negative ? -magnitude : magnitude));
}

}  // namespace holdfast::config
