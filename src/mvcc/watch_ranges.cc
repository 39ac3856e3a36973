#include "mvcc/watch_ranges.h"

#include <algorithm>
#include <cstring>
#include <utility>

namespace holdfast::mvcc {
namespace {

constexpr std::string_view kNoEnd("\0", 1);

// splitmix64: priorities need no more than to look unordered, and the same calls give the same tree.
uint64_t scramble(uint64_t x) {
  x += 0x9E3779B97F4A7C15u;
  x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9u;
  x = (x ^ (x >> 27)) * 0x94D049BB133111EBu;
  return x ^ (x >> 31);
}

}  // namespace

// --- items ---

WatchItems::WatchItems(WatchItems&& other) noexcept { *this = std::move(other); }

WatchItems& WatchItems::operator=(WatchItems&& other) noexcept {
  if (this == &other) return *this;
  clear();
  size_ = std::exchange(other.size_, 0);
  capacity_ = std::exchange(other.capacity_, 0);
  if (capacity_ == 0) {
    one_ = other.one_;
  } else {
    many_ = other.many_;
  }
  return *this;
}

void WatchItems::push_back(uint32_t item) {
  if (size_ == 0 && capacity_ == 0) {
    one_ = item;
    size_ = 1;
    return;
  }
  if (size_ >= capacity_) {
    // By a half, not by doubling: there may be a million.
    const uint32_t wanted = std::max<uint32_t>(4, size_ + size_ / 2);
    auto* grown = new uint32_t[wanted];
    std::memcpy(grown, data(), size_ * sizeof(uint32_t));
    if (capacity_ != 0) delete[] many_;
    many_ = grown;
    capacity_ = wanted;
  }
  many_[size_++] = item;
}

void WatchItems::erase(uint32_t index) {
  --size_;
  if (capacity_ != 0) many_[index] = many_[size_];
  if (size_ == 0) clear();
}

void WatchItems::clear() {
  if (capacity_ != 0) delete[] many_;
  capacity_ = size_ = 0;
}

// --- ranges ---

bool WatchRanges::ends_after(uint32_t node, std::string_view key) const {
  return nodes_[node].end == kNoEnd || key < nodes_[node].end;
}

bool WatchRanges::ends_later(uint32_t a, uint32_t b) const {
  if (nodes_[a].end == kNoEnd) return nodes_[b].end != kNoEnd;
  return nodes_[b].end != kNoEnd && nodes_[a].end > nodes_[b].end;
}

int WatchRanges::compare(std::string_view begin, std::string_view end, uint32_t node) const {
  if (const int c = begin.compare(nodes_[node].begin); c != 0) return c;
  return end.compare(nodes_[node].end);
}

uint32_t WatchRanges::find(std::string_view begin, std::string_view end) const {
  uint32_t at = root_;
  while (at != kNone) {
    const int c = compare(begin, end, at);
    if (c == 0) break;
    at = c < 0 ? nodes_[at].left : nodes_[at].right;
  }
  return at;
}

void WatchRanges::update(uint32_t node) {
  Node& n = nodes_[node];
  n.furthest = node;
  for (const uint32_t child : {n.left, n.right})
    if (child != kNone && ends_later(nodes_[child].furthest, n.furthest))
      n.furthest = nodes_[child].furthest;
}

void WatchRanges::split(uint32_t root, std::string_view begin, std::string_view end, uint32_t& less,
                        uint32_t& rest) {
  if (root == kNone) {
    less = rest = kNone;
  } else if (compare(begin, end, root) > 0) {
    split(nodes_[root].right, begin, end, nodes_[root].right, rest);
    less = root;
    update(root);
  } else {
    split(nodes_[root].left, begin, end, less, nodes_[root].left);
    rest = root;
    update(root);
  }
}

uint32_t WatchRanges::merge(uint32_t a, uint32_t b) {
  if (a == kNone) return b;
  if (b == kNone) return a;
  if (nodes_[a].priority > nodes_[b].priority) {
    nodes_[a].right = merge(nodes_[a].right, b);
    update(a);
    return a;
  }
  nodes_[b].left = merge(a, nodes_[b].left);
  update(b);
  return b;
}

uint32_t WatchRanges::insert_node(uint32_t root, uint32_t node) {
  Node& n = nodes_[node];
  if (root == kNone || n.priority > nodes_[root].priority) {
    split(root, n.begin, n.end, n.left, n.right);
    update(node);
    return node;
  }
  uint32_t& side = compare(n.begin, n.end, root) < 0 ? nodes_[root].left : nodes_[root].right;
  side = insert_node(side, node);
  update(root);
  return root;
}

uint32_t WatchRanges::erase_node(uint32_t root, uint32_t node) {
  if (root == node) return merge(nodes_[node].left, nodes_[node].right);
  uint32_t& side = compare(nodes_[node].begin, nodes_[node].end, root) < 0 ? nodes_[root].left
                                                                            : nodes_[root].right;
  side = erase_node(side, node);
  update(root);
  return root;
}

uint32_t WatchRanges::insert(std::string_view begin, std::string_view end) {
  if (const uint32_t found = find(begin, end); found != kNone) return found;
  uint32_t node;
  if (free_.empty()) {
    node = static_cast<uint32_t>(nodes_.size());
    nodes_.emplace_back();
  } else {
    node = free_.back();
    free_.pop_back();
  }
  nodes_[node].begin = begin;
  nodes_[node].end = end;
  nodes_[node].priority = scramble(made_++);
  root_ = insert_node(root_, node);
  return node;
}

void WatchRanges::erase(uint32_t node) {
  root_ = erase_node(root_, node);
  nodes_[node] = Node();
  free_.push_back(node);
}

void WatchRanges::stab(std::string_view key, absl::FunctionRef<void(uint32_t)> visit) const {
  // A path of the tree is some 60 nodes at most with any number of ranges that fits in memory, but not for certain.
  std::vector<uint32_t> above;
  uint32_t at = root_;
  while (true) {
    while (at != kNone && ends_after(nodes_[at].furthest, key)) {
      above.push_back(at);
      at = nodes_[at].left;
    }
    if (above.empty()) return;
    at = above.back();
    above.pop_back();
    if (nodes_[at].begin > key) return;  // what follows begins later still
    if (ends_after(at, key)) visit(at);
    at = nodes_[at].right;
  }
}

void WatchRanges::for_each(absl::FunctionRef<void(uint32_t)> visit) const {
  std::vector<uint32_t> above;
  uint32_t at = root_;
  while (at != kNone || !above.empty()) {
    while (at != kNone) {
      above.push_back(at);
      at = nodes_[at].left;
    }
    at = above.back();
    above.pop_back();
    visit(at);
    at = nodes_[at].right;
  }
}

void WatchRanges::clear() {
  nodes_.clear();
  nodes_.shrink_to_fit();
  free_.clear();
  root_ = kNone;
}

}  // namespace holdfast::mvcc
