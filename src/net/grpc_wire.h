// The texts and frames of gRPC over HTTP/2 (grpc/doc/PROTOCOL-HTTP2.md), pure. Deviations follow grpc-go.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "env/clock.h"

namespace holdfast::net {

// grpc-timeout: one to eight digits and a unit of HMSmun. The error's text is grpc-go's, for "malformed grpc-timeout: ".
// Hours beyond the range of Duration mean its maximum.
absl::StatusOr<env::Duration> parse_grpc_timeout(std::string_view text);
// The shortest form that is not shorter than `timeout`; negative and zero give "0n".
std::string format_grpc_timeout(env::Duration timeout);

// grpc-message: bytes outside ' '..'~' and '%' become %XX; bytes that are not UTF-8 become U+FFFD's.
std::string percent_encode(std::string_view text);
// Leaves what is not a valid escape as it is.
std::string percent_decode(std::string_view text);

// "application/grpc", or that followed by '+' or ';' and anything.
bool is_grpc_content_type(std::string_view value);

// Values of "-bin" headers: base64 with or without padding. Nothing for anything else.
std::optional<std::string> decode_base64(std::string_view text);
std::string encode_base64(std::string_view bytes);  // without padding


// The code on the wire as absl's; anything unknown is kUnknown.
absl::StatusCode grpc_code(std::string_view decimal);

// Cuts a byte stream into length-prefixed messages. Feeds may end anywhere. Memory: a message's bytes are reserved as
// they arrive, never from the announced length.
class MessageReader {
 public:
  static constexpr size_t kPrefixBytes = 5;
  // A reader that held a larger message gives the memory back when it is reset.
  static constexpr size_t kBufferKept = 16 * 1024;

  // What consume() stopped at.
  enum class Event : uint8_t { need_more, message, failed };

  // `encoding` is the request's grpc-encoding ("" when absent); it must outlive the reader.
  void reset(size_t max_message_bytes, std::string_view encoding);

  // Takes bytes from the front of `input` up to the end of one message. On `message`, message() holds it until the
  // next call; on `failed`, error() says why and the reader takes no more.
  Event consume(std::string_view& input);

  std::string_view message() const { return message_; }
  // Takes the message's buffer, leaving `replacement`'s memory for the next one. Only after Event::message.
  void take_message(std::string& replacement);
  const absl::Status& error() const { return error_; }
  // True in the middle of a message or prefix: an end of the stream here is "unexpected EOF".
  bool inside_message() const { return prefix_size_ != 0; }
  // Bytes kept for a message not yet complete.
  size_t buffered_bytes() const { return buffer_.size(); }

 private:
  bool read_prefix(std::string_view& input);
  bool fail(absl::Status error);

  size_t max_message_bytes_ = 0;
  std::string_view encoding_;
  char prefix_[kPrefixBytes];
  size_t prefix_size_ = 0;
  size_t length_ = 0;
  std::string buffer_;
  std::string_view message_;
  bool message_is_buffer_ = false;
  absl::Status error_;
};

// Writes the five bytes before a message.
void write_message_prefix(char* to, size_t length);

}  // namespace holdfast::net
