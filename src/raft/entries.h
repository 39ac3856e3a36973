// A run of consecutive log entries, immutable, sharing its storage: the unstable log, a Ready, the
// appends to every follower and the log writer's order all look at the same array, so handing
// entries on costs one counter per batch and nothing per entry.
//
// Thread-safe the way shared_ptr is: a view may be read and dropped on any thread.
#pragma once

#include <algorithm>
#include <cstddef>
#include <initializer_list>
#include <memory>
#include <utility>
#include <vector>

#include "base/check.h"
#include "raft/types.h"

namespace holdfast::raft {

class Entries {
 public:
  using value_type = Entry;
  using const_iterator = const Entry*;

  Entries() = default;
  Entries(std::vector<Entry> entries)  // NOLINT(google-explicit-constructor)
      : size_(entries.size()) {
    if (size_ == 0) return;
    auto owner = std::make_shared<const std::vector<Entry>>(std::move(entries));
    first_ = std::shared_ptr<const Entry>(owner, owner->data());
  }
  Entries(std::initializer_list<Entry> entries) : Entries(std::vector<Entry>(entries)) {}
  Entries(const Entries&) = default;
  Entries& operator=(const Entries&) = default;
  // Moved from means empty.
  Entries(Entries&& other) noexcept
      : first_(std::move(other.first_)), size_(std::exchange(other.size_, 0)) {}
  Entries& operator=(Entries&& other) noexcept {
    first_ = std::move(other.first_);
    size_ = std::exchange(other.size_, 0);
    return *this;
  }
  ~Entries() = default;

  size_t size() const { return size_; }
  bool empty() const { return size_ == 0; }
  const Entry& operator[](size_t i) const { return first_.get()[i]; }
  const Entry& front() const { return (*this)[0]; }
  const Entry& back() const { return (*this)[size_ - 1]; }
  const Entry* begin() const { return first_.get(); }
  const Entry* end() const { return first_.get() + size_; }

  // The entries [from, to) of this run by position, not by log index. Shares the storage.
  Entries slice(size_t from, size_t to) const {
    CHECK(from <= to && to <= size_, "slice [{}, {}) of {} entries", from, to, size_);
    return from == to ? Entries()
                      : Entries(std::shared_ptr<const Entry>(first_, begin() + from), to - from);
  }

  friend bool operator==(const Entries& a, const Entries& b) {
    return std::equal(a.begin(), a.end(), b.begin(), b.end());
  }

 private:
  friend class EntryBlock;
  Entries(std::shared_ptr<const Entry> first, size_t size)
      : first_(std::move(first)), size_(size) {}

  std::shared_ptr<const Entry> first_;  // shares the owner of the whole array
  size_t size_ = 0;
};

// The growing end of an array of entries of which views have been given out. It only ever writes
// behind the last entry, within the capacity reserved at the start, so views stay valid and may be
// read by other threads meanwhile.
class EntryBlock {
 public:
  EntryBlock() = default;
  explicit EntryBlock(size_t capacity) : entries_(std::make_shared<std::vector<Entry>>()) {
    entries_->reserve(capacity);
  }

  size_t size() const { return entries_ ? entries_->size() : 0; }
  size_t capacity() const { return entries_ ? entries_->capacity() : 0; }
  bool full() const { return size() == capacity(); }
  const Entry& operator[](size_t i) const { return (*entries_)[i]; }
  void append(Entry entry) {
    CHECK(!full());
    entries_->push_back(std::move(entry));
  }
  // The entries [from, to) by position.
  Entries view(size_t from, size_t to) const {
    CHECK(from <= to && to <= size());
    if (from == to) return {};
    return Entries(std::shared_ptr<const Entry>(entries_, entries_->data() + from), to - from);
  }

 private:
  std::shared_ptr<std::vector<Entry>> entries_;  // shared with the views given out
};

}  // namespace holdfast::raft
