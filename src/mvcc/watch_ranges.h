// The intervals of a WatchMatcher: a treap ordered by (begin, end) whose nodes know the greatest end below them, so that
// finding the intervals around a key costs their number times the tree's height. Pure; private to mvcc/.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "absl/functional/function_ref.h"

namespace holdfast::mvcc {

// The watchers of one key or range: one of them in place, more in an array.
class WatchItems {
 public:
  WatchItems() = default;
  WatchItems(WatchItems&& other) noexcept;
  WatchItems& operator=(WatchItems&& other) noexcept;
  ~WatchItems() { clear(); }

  uint32_t size() const { return size_; }
  const uint32_t* data() const { return capacity_ == 0 ? &one_ : many_; }
  uint32_t operator[](uint32_t i) const { return data()[i]; }
  void push_back(uint32_t item);
  // The last one takes its place.
  void erase(uint32_t index);
  void clear();

 private:
  union {
    uint32_t one_ = 0;
    uint32_t* many_;
  };
  uint32_t size_ = 0;
  uint32_t capacity_ = 0;  // 0: in place
};

class WatchRanges {
 public:
  // `end` "\0": no end. The node of this range, made if there is none; stays the same until erase().
  uint32_t insert(std::string_view begin, std::string_view end);
  void erase(uint32_t node);
  WatchItems& items(uint32_t node) { return nodes_[node].items; }
  const WatchItems& items(uint32_t node) const { return nodes_[node].items; }
  std::string_view begin(uint32_t node) const { return nodes_[node].begin; }
  std::string_view end(uint32_t node) const { return nodes_[node].end; }

  // The nodes whose range holds `key`, in order.
  void stab(std::string_view key, absl::FunctionRef<void(uint32_t node)> visit) const;
  // All nodes, in order.
  void for_each(absl::FunctionRef<void(uint32_t node)> visit) const;
  void clear();

 private:
  static constexpr uint32_t kNone = UINT32_MAX;
  struct Node {
    std::string begin, end;
    WatchItems items;
    uint64_t priority = 0;
    uint32_t left = kNone, right = kNone;
    uint32_t furthest = kNone;  // of this node and those below it, the one that ends last
  };

  bool ends_after(uint32_t node, std::string_view key) const;
  bool ends_later(uint32_t a, uint32_t b) const;
  int compare(std::string_view begin, std::string_view end, uint32_t node) const;
  uint32_t find(std::string_view begin, std::string_view end) const;
  void update(uint32_t node);
  // Nodes before (begin, end), and the others.
  void split(uint32_t root, std::string_view begin, std::string_view end, uint32_t& less, uint32_t& rest);
  uint32_t merge(uint32_t a, uint32_t b);
  uint32_t insert_node(uint32_t root, uint32_t node);
  uint32_t erase_node(uint32_t root, uint32_t node);

  std::vector<Node> nodes_;
  std::vector<uint32_t> free_;
  uint32_t root_ = kNone;
  uint64_t made_ = 0;
};

}  // namespace holdfast::mvcc
