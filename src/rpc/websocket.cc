#include "rpc/websocket.h"

#include <algorithm>

#include <openssl/evp.h>

#include "net/grpc_wire.h"

namespace holdfast::rpc {

namespace {

constexpr unsigned char kFinal = 0x80, kReserved = 0x70, kMasked = 0x80;

bool is_control(WsOpcode opcode) { return static_cast<uint8_t>(opcode) >= 8; }

unsigned char byte(const std::string& text, size_t i) { return static_cast<unsigned char>(text[i]); }

char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; }

}  // namespace

// need_more: not whole yet, or whole and the payload follows.
WsReader::Event WsReader::read_head() {
  const unsigned length = byte(head_, 1) & 0x7f;
  const size_t length_bytes = length == 126 ? 2 : length == 127 ? 8 : 0;
  if (head_.size() < 2 + length_bytes + 4) return Event::need_more;

  final_ = (byte(head_, 0) & kFinal) != 0;
  const unsigned code = byte(head_, 0) & 0x0f;
  opcode_ = static_cast<WsOpcode>(code);
  const bool known = code <= 2 || (code >= 8 && code <= 10);
  if (!known || (byte(head_, 0) & kReserved) != 0 || (byte(head_, 1) & kMasked) == 0)
    return fail(kWsProtocolError);
  left_ = length_bytes == 0 ? length : 0;
  for (size_t i = 0; i < length_bytes; ++i) left_ = left_ << 8 | byte(head_, 2 + i);
  if (is_control(opcode_)) {
    if (!final_ || left_ > kControlBytesMax) return fail(kWsProtocolError);
    frame_.clear();
  } else {
    if ((opcode_ == WsOpcode::continuation) != in_message_) return fail(kWsProtocolError);
    if (left_ > max_message_bytes_ - message_.size()) return fail(kWsMessageTooBig);
    in_message_ = true;
  }
  std::copy_n(head_.data() + 2 + length_bytes, 4, mask_);
  mask_at_ = 0;
  head_.clear();
  in_frame_ = true;
  return Event::need_more;
}

WsReader::Event WsReader::end_of_frame() {
  in_frame_ = false;
  if (is_control(opcode_)) {
    payload_ = std::move(frame_);
    frame_.clear();
    if (opcode_ == WsOpcode::ping) return Event::ping;
    if (opcode_ == WsOpcode::pong) return Event::pong;
    // A code needs two bytes.
    return payload_.size() == 1 ? fail(kWsProtocolError) : Event::close;
  }
  if (!final_) return Event::need_more;
  in_message_ = false;
  payload_ = std::move(message_);
  message_.clear();
  return Event::message;
}

WsReader::Event WsReader::consume(std::string_view& bytes) {
  if (failure_ != 0) return Event::failed;
  while (true) {
    while (!in_frame_) {
      if (bytes.empty()) return Event::need_more;
      head_.push_back(bytes.front());
      bytes.remove_prefix(1);
      if (head_.size() >= 2 && read_head() == Event::failed) return Event::failed;
    }
    const size_t size = static_cast<size_t>(std::min<uint64_t>(left_, bytes.size()));
    std::string& into = is_control(opcode_) ? frame_ : message_;
    const size_t from = into.size();
    into.append(bytes.substr(0, size));
    for (size_t i = from; i < into.size(); ++i)
      into[i] = static_cast<char>(into[i] ^ mask_[mask_at_++ & 3]);
    bytes.remove_prefix(size);
    left_ -= size;
    if (left_ != 0) return Event::need_more;
    if (const Event event = end_of_frame(); event != Event::need_more) return event;
  }
}

void append_ws_frame(std::string& out, WsOpcode opcode, std::string_view payload) {
  out += static_cast<char>(kFinal | static_cast<unsigned>(opcode));
  const size_t size = payload.size();
  if (size < 126) {
    out += static_cast<char>(size);
  } else {
    const int bytes = size < 65536 ? 2 : 8;
    out += static_cast<char>(bytes == 2 ? 126 : 127);
    for (int i = bytes - 1; i >= 0; --i) out += static_cast<char>(size >> (8 * i));
  }
  out += payload;
}

void append_ws_close(std::string& out, uint16_t code) {
  const char payload[2] = {static_cast<char>(code >> 8), static_cast<char>(code)};
  append_ws_frame(out, WsOpcode::close, std::string_view(payload, sizeof payload));
}

std::optional<std::string> ws_accept(std::string_view key) {
  const auto nonce = net::decode_base64(key);
  if (!nonce || nonce->size() != 16) return std::nullopt;
  std::string text(key);
  text += "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
  unsigned char digest[EVP_MAX_MD_SIZE];
  unsigned size = 0;
  if (EVP_Digest(text.data(), text.size(), digest, &size, EVP_sha1(), nullptr) != 1)
    return std::nullopt;
  std::string accept = net::encode_base64({reinterpret_cast<const char*>(digest), size});
  while (accept.size() % 4 != 0) accept += '=';
  return accept;
}

bool has_token(std::string_view field, std::string_view token) {
  while (!field.empty()) {
    const size_t comma = field.find(',');
    std::string_view one = field.substr(0, comma);
    field = comma == std::string_view::npos ? std::string_view() : field.substr(comma + 1);
    while (!one.empty() && (one.front() == ' ' || one.front() == '\t')) one.remove_prefix(1);
    while (!one.empty() && (one.back() == ' ' || one.back() == '\t')) one.remove_suffix(1);
    if (std::equal(one.begin(), one.end(), token.begin(), token.end(),
                   [](char a, char b) { return lower(a) == lower(b); }))
      return true;
  }
  return false;
}

}  // namespace holdfast::rpc
