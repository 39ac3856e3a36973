// RFC 6455's frames, the server's side of them: what a client sends, cut out of a stream of bytes, and what is sent to
// it. Pure; of the protocol as far as gorilla/websocket serves it by default: no extensions, no subprotocol of its own.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace holdfast::rpc {

enum class WsOpcode : uint8_t { continuation = 0, text = 1, binary = 2, close = 8, ping = 9, pong = 10 };

// Close codes (RFC 6455 7.4.1).
inline constexpr uint16_t kWsNormalClosure = 1000;
inline constexpr uint16_t kWsProtocolError = 1002;
inline constexpr uint16_t kWsMessageTooBig = 1009;

class WsReader {
 public:
  explicit WsReader(size_t max_message_bytes) : max_message_bytes_(max_message_bytes) {}

  enum class Event : uint8_t { need_more, message, ping, pong, close, failed };
  // Takes bytes from the front of `bytes`; messages come whole, however they were cut.
  Event consume(std::string_view& bytes);

  // Of the last message, ping, pong or close; until the next consume().
  const std::string& payload() const { return payload_; }
  // What to close with after `failed`.
  uint16_t failure() const { return failure_; }
  size_t buffered_bytes() const { return message_.size() + frame_.size(); }

 private:
  static constexpr size_t kControlBytesMax = 125;

  Event fail(uint16_t code) {
    failure_ = code;
    return Event::failed;
  }
  Event read_head();
  Event end_of_frame();

  const size_t max_message_bytes_;
  std::string head_;       // of the frame under way, until it is whole
  bool in_frame_ = false;
  bool final_ = false;
  WsOpcode opcode_ = WsOpcode::text;
  uint64_t left_ = 0;      // of the frame's payload
  char mask_[4] = {};
  size_t mask_at_ = 0;
  std::string frame_;      // a control frame's payload
  std::string message_;    // of the frames so far
  bool in_message_ = false;
  std::string payload_;
  uint16_t failure_ = 0;
};

// A whole frame as a server sends it, unmasked.
void append_ws_frame(std::string& out, WsOpcode opcode, std::string_view payload);
void append_ws_close(std::string& out, uint16_t code);

// Sec-WebSocket-Accept; nothing unless `key` is sixteen bytes in base64.
std::optional<std::string> ws_accept(std::string_view key);

// Whether a comma-separated field holds `token`, compared without case.
bool has_token(std::string_view field, std::string_view token);

}  // namespace holdfast::rpc
