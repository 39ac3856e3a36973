// Appends on the way to one follower: a window bounded in messages and in bytes.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "base/types.h"

namespace holdfast::raft {

class Inflights {
 public:
  Inflights() = default;
  // max_bytes 0: bounded in messages only. The window counts as full once bytes reach max_bytes, so
  // the message that gets it there still goes out.
  Inflights(int max_messages, uint64_t max_bytes)
      : max_messages_(static_cast<size_t>(max_messages)), max_bytes_(max_bytes) {}

  // Records a message whose last entry is `last`. Must not be full; `last` must not decrease.
  void add(Index last, uint64_t bytes);
  // Frees all messages whose last entry is at most `index`.
  void free_up_to(Index index);
  void reset();

  bool full() const { return count_ == max_messages_ || (max_bytes_ != 0 && bytes_ >= max_bytes_); }
  size_t count() const { return count_; }
  uint64_t bytes() const { return bytes_; }
  int max_messages() const { return static_cast<int>(max_messages_); }
  uint64_t max_bytes() const { return max_bytes_; }

 private:
  struct Inflight {
    Index last;
    uint64_t bytes = 0;
  };

  void grow();

  size_t max_messages_ = 0;
  uint64_t max_bytes_ = 0;
  // A ring that grows on demand up to max_messages_: most followers use a small part of their
  // window.
  std::vector<Inflight> ring_;
  size_t start_ = 0;
  size_t count_ = 0;
  uint64_t bytes_ = 0;
};

}  // namespace holdfast::raft
