// What all who write to the peer port may make it hold together.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace holdfast::peer {

// The answer's text, with status 413.
inline constexpr std::string_view kTooMuchPosted = "request body too large";

// On the transport's thread.
struct HeldBytesLimit {
  const size_t max;
  size_t held = 0;
};

// Bytes that are collected under a limit, which outlives them. Where the limit is; an empty one may be destroyed anywhere.
class HeldBytes {
 public:
  explicit HeldBytes(HeldBytesLimit& limit) : limit_(limit) {}
  ~HeldBytes() { clear(); }
  HeldBytes(const HeldBytes&) = delete;
  HeldBytes& operator=(const HeldBytes&) = delete;

  // False if that is too much.
  bool append(std::string_view piece) {
    limit_.held += piece.size();
    bytes_.append(piece);
    return limit_.held <= limit_.max;
  }
  void clear() {
    if (bytes_.empty()) return;
    limit_.held -= bytes_.size();
    std::string().swap(bytes_);
  }
  const std::string& bytes() const { return bytes_; }

 private:
  HeldBytesLimit& limit_;
  std::string bytes_;
};

}  // namespace holdfast::peer
