#include "net/grpc_wire.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <limits>

#include "base/check.h"
#include "base/errors.h"
#include "base/go_text.h"
#include "base/text.h"
#include "fmt/format.h"

namespace holdfast::net {
namespace {

using std::chrono::hours;

struct Unit {
  char letter;
  int64_t nanoseconds;
};
// From fine to coarse: format_grpc_timeout() takes the first that fits into eight digits.
constexpr std::array<Unit, 6> kUnits = {{{'n', 1},
                                         {'u', 1'000},
                                         {'m', 1'000'000},
                                         {'S', 1'000'000'000},
                                         {'M', 60'000'000'000},
                                         {'H', 3'600'000'000'000}}};
constexpr int64_t kEightDigits = 99'999'999;

constexpr char kHex[] = "0123456789ABCDEF";
constexpr char kBase64[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

void append_percent(std::string& out, char c) {
  auto byte = static_cast<unsigned char>(c);
  out += '%';
  out += kHex[byte >> 4];
  out += kHex[byte & 15];
}

int hex_value(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

bool is_plain(char c) { return c >= ' ' && c <= '~' && c != '%'; }

absl::Status invalid(std::string_view text) {
  return make_status(absl::StatusCode::kInvalidArgument, text);
}

}  // namespace

absl::StatusOr<env::Duration> parse_grpc_timeout(std::string_view text) {
  if (text.size() < 2)
    return invalid(fmt::format("transport: timeout string is too short: {}", go_quote(text)));
  if (text.size() > 9)
    return invalid(fmt::format("transport: timeout string is too long: {}", go_quote(text)));
  auto unit = std::find_if(kUnits.begin(), kUnits.end(),
                           [&](const Unit& u) { return u.letter == text.back(); });
  if (unit == kUnits.end())
    return invalid(fmt::format("transport: timeout unit is not recognized: {}", go_quote(text)));
  int64_t count = 0;
  std::string_view digits = text.substr(0, text.size() - 1);
  for (char c : digits) {
    if (c < '0' || c > '9')
      return invalid(
          fmt::format("strconv.ParseUint: parsing {}: invalid syntax", go_quote(digits)));
    count = count * 10 + (c - '0');
  }
  constexpr int64_t kMax = std::numeric_limits<int64_t>::max();
  if (count > kMax / unit->nanoseconds) return env::Duration(kMax);
  return env::Duration(count * unit->nanoseconds);
}

std::string format_grpc_timeout(env::Duration timeout) {
  int64_t left = timeout.count();
  if (left <= 0) return "0n";
  for (const Unit& unit : kUnits) {
    int64_t count = left / unit.nanoseconds + (left % unit.nanoseconds != 0);
    if (count <= kEightDigits) return fmt::format("{}{}", count, unit.letter);
  }
  return fmt::format("{}H", kEightDigits);
}

std::string percent_encode(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  while (!text.empty()) {
    size_t length = utf8_length(text);
    if (length == 0) {
      out += "%EF%BF%BD";
      length = 1;
    } else if (length == 1 && is_plain(text[0])) {
      out += text[0];
    } else {
      for (char c : text.substr(0, length)) append_percent(out, c);
    }
    text.remove_prefix(length);
  }
  return out;
}

std::string percent_decode(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  for (size_t i = 0; i < text.size(); ++i) {
    int high = -1, low = -1;
    if (text[i] == '%' && i + 2 < text.size()) {
      high = hex_value(text[i + 1]);
      low = hex_value(text[i + 2]);
    }
    if (high >= 0 && low >= 0) {
      out += static_cast<char>(high << 4 | low);
      i += 2;
    } else {
      out += text[i];
    }
  }
  return out;
}

bool is_grpc_content_type(std::string_view value) {
  constexpr std::string_view kBase = "application/grpc";
  if (!value.starts_with(kBase)) return false;
  return value.size() == kBase.size() || value[kBase.size()] == '+' || value[kBase.size()] == ';';
}

std::optional<std::string> decode_base64(std::string_view text) {
  static constexpr auto kValues = [] {
    std::array<int8_t, 256> values{};
    for (auto& v : values) v = -1;
    for (int8_t i = 0; i < 64; ++i) values[static_cast<unsigned char>(kBase64[i])] = i;
    return values;
  }();
  if (text.size() % 4 == 0 && text.ends_with('=')) text.remove_suffix(text.ends_with("==") ? 2 : 1);
  if (text.size() % 4 == 1) return std::nullopt;
  std::string out;
  out.reserve(text.size() * 3 / 4);
  uint32_t bits = 0;
  int count = 0;
  for (char c : text) {
    int8_t value = kValues[static_cast<unsigned char>(c)];
    if (value < 0) return std::nullopt;
    bits = bits << 6 | static_cast<uint32_t>(value);
    count += 6;
    if (count >= 8) {
      count -= 8;
      out += static_cast<char>(bits >> count & 0xff);
    }
  }
  return out;
}

std::string encode_base64(std::string_view bytes) {
  std::string out;
  out.reserve(bytes.size() * 4 / 3 + 2);
  uint32_t bits = 0;
  int count = 0;
  for (char c : bytes) {
    bits = bits << 8 | static_cast<unsigned char>(c);
    count += 8;
    while (count >= 6) {
      count -= 6;
      out += kBase64[bits >> count & 63];
    }
  }
  if (count > 0) out += kBase64[bits << (6 - count) & 63];
  return out;
}

absl::StatusCode grpc_code(std::string_view decimal) {
  int code = 0;
  if (decimal.empty() || decimal.size() > 2) return absl::StatusCode::kUnknown;
  for (char c : decimal) {
    if (c < '0' || c > '9') return absl::StatusCode::kUnknown;
    code = code * 10 + (c - '0');
  }
  return code <= 16 ? static_cast<absl::StatusCode>(code) : absl::StatusCode::kUnknown;
}

void write_message_prefix(char* to, size_t length) {
  to[0] = 0;
  to[1] = static_cast<char>(length >> 24);
  to[2] = static_cast<char>(length >> 16);
  to[3] = static_cast<char>(length >> 8);
  to[4] = static_cast<char>(length);
}

void MessageReader::reset(size_t max_message_bytes, std::string_view encoding) {
  max_message_bytes_ = max_message_bytes;
  encoding_ = encoding;
  prefix_size_ = 0;
  length_ = 0;
  buffer_.clear();
  if (buffer_.capacity() > kBufferKept) buffer_ = {};
  message_ = {};
  message_is_buffer_ = false;
  error_ = absl::OkStatus();
}

MessageReader::Event MessageReader::consume(std::string_view& input) {
  if (message_is_buffer_) {
    buffer_.clear();
    message_is_buffer_ = false;
  }
  if (!error_.ok()) return Event::failed;
  if (prefix_size_ < kPrefixBytes) {
    if (!read_prefix(input)) return error_.ok() ? Event::need_more : Event::failed;
  }
  if (buffer_.empty() && input.size() >= length_) {
    message_ = input.substr(0, length_);
    input.remove_prefix(length_);
    prefix_size_ = 0;
    return Event::message;
  }
  size_t part = std::min(input.size(), length_ - buffer_.size());
  buffer_.append(input.substr(0, part));
  input.remove_prefix(part);
  if (buffer_.size() < length_) return Event::need_more;
  message_ = buffer_;
  message_is_buffer_ = true;
  prefix_size_ = 0;
  return Event::message;
}

void MessageReader::take_message(std::string& replacement) {
  if (message_is_buffer_) {
    buffer_.swap(replacement);
    buffer_.clear();
    message_is_buffer_ = false;
  } else {
    replacement.assign(message_);
  }
  message_ = {};
}

// True when a whole prefix is there and acceptable.
bool MessageReader::read_prefix(std::string_view& input) {
  size_t part = std::min(input.size(), kPrefixBytes - prefix_size_);
  if (part != 0) memcpy(prefix_ + prefix_size_, input.data(), part);
  prefix_size_ += part;
  input.remove_prefix(part);
  if (prefix_size_ < kPrefixBytes) return false;

  auto byte = [&](int i) { return static_cast<uint32_t>(static_cast<unsigned char>(prefix_[i])); };
  length_ = byte(1) << 24 | byte(2) << 16 | byte(3) << 8 | byte(4);
  if (length_ > max_message_bytes_)
    return fail(make_status(absl::StatusCode::kResourceExhausted,
                            fmt::format("grpc: received message larger than max ({} vs. {})",
                                        length_, max_message_bytes_)));
  if (byte(0) > 1)
    return fail(make_status(
        absl::StatusCode::kInternal,
        fmt::format("grpc: received unexpected payload format {}", byte(0))));
  if (byte(0) == 1 && (encoding_.empty() || encoding_ == "identity"))
    return fail(make_status(absl::StatusCode::kInternal,
                            "grpc: compressed flag set with identity or empty encoding"));
  if (byte(0) == 1)
    return fail(make_status(
        absl::StatusCode::kUnimplemented,
        fmt::format("grpc: Decompressor is not installed for grpc-encoding {}",
                    go_quote(encoding_))));
  return true;
}

bool MessageReader::fail(absl::Status error) {
  error_ = std::move(error);
  return false;
}

}  // namespace holdfast::net
