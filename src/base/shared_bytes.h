// Immutable bytes with a shared owner. A raft entry's payload is held at the same time by the raft log, the log
// writer, the peers' outboxes and apply; sharing one buffer makes each hand-over a counter instead of a copy.
//
// Nil and empty differ (parity TRP-47: presence matters in proto2): a default-constructed value is nil.
// Thread-safe for concurrent copies, as shared_ptr is.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <string_view>
#include <utility>

namespace holdfast {

class SharedBytes {
 public:
  SharedBytes() = default;  // nil
  // Copies `bytes` into a new buffer. Never nil, even when empty.
  explicit SharedBytes(std::string_view bytes);
  // Concatenates the parts into one new buffer (one allocation).
  static SharedBytes concat(std::string_view a, std::string_view b, std::string_view c = {});

  SharedBytes(const SharedBytes& other) : block_(other.block_) { retain(); }
  SharedBytes(SharedBytes&& other) noexcept : block_(std::exchange(other.block_, nullptr)) {}
  SharedBytes& operator=(const SharedBytes& other) {
    if (block_ != other.block_) {
      release();
      block_ = other.block_;
      retain();
    }
    return *this;
  }
  SharedBytes& operator=(SharedBytes&& other) noexcept {
    std::swap(block_, other.block_);
    return *this;
  }
  ~SharedBytes() { release(); }

  bool is_nil() const { return block_ == nullptr; }
  size_t size() const { return block_ ? block_->size : 0; }
  bool empty() const { return size() == 0; }
  std::string_view view() const {
    return block_ ? std::string_view(data(block_), block_->size) : std::string_view();
  }
  operator std::string_view() const { return view(); }

  // Compares contents; nil equals empty.
  friend bool operator==(const SharedBytes& a, const SharedBytes& b) { return a.view() == b.view(); }

 private:
  struct Block {
    std::atomic<uint32_t> references;
    size_t size;
  };
  static char* data(Block* block) { return reinterpret_cast<char*>(block + 1); }
  static Block* allocate(size_t size);
  static void free_block(Block* block);
  void retain() {
    if (block_) block_->references.fetch_add(1, std::memory_order_relaxed);
  }
  void release() {
    if (block_ && block_->references.fetch_sub(1, std::memory_order_acq_rel) == 1)
      free_block(block_);
  }

  Block* block_ = nullptr;
};

}  // namespace holdfast
