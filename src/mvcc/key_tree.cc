#include "mvcc/key_tree.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "base/check.h"

namespace holdfast::mvcc {
namespace {

size_t common_prefix(std::string_view a, std::string_view b) {
  const size_t limit = std::min(a.size(), b.size());
  size_t n = 0;
  while (n < limit && a[n] == b[n]) ++n;
  return n;
}

// The four bytes behind the first `skip`, so that comparing them as numbers is comparing bytes;
// missing ones are zero, therefore equal heads say nothing.
uint32_t head_of(std::string_view key, size_t skip) {
  if (key.size() >= skip + 4) {
    uint32_t head;
    std::memcpy(&head, key.data() + skip, 4);
    return __builtin_bswap32(head);
  }
  uint32_t head = 0;
  for (size_t i = 0; i < 4; ++i)
    head = head << 8 | (skip + i < key.size() ? static_cast<uint8_t>(key[skip + i]) : 0);
  return head;
}

// The shortest string that is above `low` and not above `high`.
std::string_view shortest_separator(std::string_view low, std::string_view high) {
  return high.substr(0, common_prefix(low, high) + 1);
}

// As std::lower_bound, but without jumps: which way a search goes can't be guessed, and each wrong guess costs as much as
// the comparisons of the whole row.
size_t first_not_below(const uint32_t* heads, size_t count, uint32_t head) {
  const uint32_t* base = heads;
  while (count > 1) {
    const size_t half = count / 2;
    base = base[half - 1] < head ? base + half : base;
    count -= half;
  }
  return static_cast<size_t>(base - heads) + (count == 1 && *base < head ? 1 : 0);
}

// A sorted row of keys with heads. Keys is a class with `std::string_view operator[](size_t)
// const`.
template <size_t N, class Keys>
struct SortedRow {
  uint32_t (&heads)[N];
  uint32_t& skip;
  const Keys keys;

  // First position whose key isn't below `key`, if `key` shares the first `skip` bytes with all of
  // them.
  size_t search_heads(std::string_view key, size_t count) const {
    const uint32_t head = head_of(key, skip);
    size_t low = first_not_below(heads, count, head);
    if (low == count || heads[low] != head) return low;
    size_t high = low + 1;
    if (high < count && heads[high] == head) high = std::upper_bound(heads + high, heads + count, head) - heads;
    while (low < high) {
      const size_t middle = low + (high - low) / 2;
      if (keys[middle] < key) {
        low = middle + 1;
      } else {
        high = middle;
      }
    }
    return low;
  }
  // Where the key is, if it is there and its head is its own; without following a pointer. count > 0.
  size_t first_of_head(std::string_view key, size_t count) const {
    return std::min(first_not_below(heads, count, head_of(key, skip)), count - 1);
  }
  size_t lower_bound(std::string_view key, size_t count) const {
    if (count == 0) return 0;
    const std::string_view first = keys[0];
    const size_t shared = std::min<size_t>(key.size(), skip);
    const int order = shared == 0 ? 0 : std::memcmp(key.data(), first.data(), shared);
    if (order < 0 || (order == 0 && key.size() < skip)) return 0;
    if (order > 0) return count;
    return search_heads(key, count);
  }
  void recompute(size_t count) {
    skip = count == 0 ? 0 : static_cast<uint32_t>(common_prefix(keys[0], keys[count - 1]));
    for (size_t i = 0; i < count; ++i) heads[i] = head_of(keys[i], skip);
  }
  // After keys[position] was set (and the heads behind it moved up).
  void added(size_t position, size_t count) {
    // Between two others it has in common with them what they have.
    const bool at_an_end = position == 0 || position + 1 == count;
    if (at_an_end && (count == 1 || common_prefix(keys[0], keys[count - 1]) < skip)) {
      recompute(count);
    } else {
      heads[position] = head_of(keys[position], skip);
    }
  }
};

template <class T>
void open_gap(T* row, size_t position, size_t count) {
  std::move_backward(row + position, row + count, row + count + 1);
}
template <class T>
void close_gap(T* row, size_t position, size_t count) {
  std::move(row + position + 1, row + count, row + position);
}

}  // namespace

struct KeyTree::Node {
  uint16_t level;      // 0: a leaf
  uint16_t count = 0;  // of keys
  uint32_t skip = 0;   // how many bytes all keys have in common, at least
  uint32_t heads[kFanout];

  explicit Node(uint16_t l) : level(l) {}
  // A binary search would wait for one cache line of the heads after the other.
  void prefetch() const {
    constexpr size_t kLineBytes = 64;
    for (size_t at = 0; at < sizeof(Node); at += kLineBytes)
      __builtin_prefetch(reinterpret_cast<const char*>(this) + at);
  }
};

struct KeyTree::Leaf : Node {
  KeyVersions* entries[kFanout];  // owned
  Leaf* next = nullptr;

  struct Keys {
    KeyVersions* const* entries;
    std::string_view operator[](size_t i) const { return entries[i]->key(); }
  };
  Leaf() : Node(0) {}
  SortedRow<kFanout, Keys> row() { return {heads, skip, {entries}}; }
};

// children[i + 1] holds the keys >= separators[i]. There is one child more than keys.
struct KeyTree::Inner : Node {
  std::string separators[kFanout];
  Node* children[kFanout + 1];

  struct Keys {
    const std::string* separators;
    std::string_view operator[](size_t i) const { return separators[i]; }
  };
  explicit Inner(uint16_t level) : Node(level) {}
  SortedRow<kFanout, Keys> row() { return {heads, skip, {separators}}; }
  size_t likely_child_for(std::string_view key) {
    if (key.size() < skip) return 0;
    const size_t i = row().search_heads(key, count);
    return i < count && heads[i] == head_of(key, skip) && separators[i] == key ? i + 1 : i;
  }
  size_t child_for(std::string_view key) {
    const size_t i = row().lower_bound(key, count);
    // Equal heads first: a separator lies elsewhere in memory.
    return i < count && heads[i] == head_of(key, skip) && separators[i] == key ? i + 1 : i;
  }
};

KeyTree::KeyTree() : root_(new Leaf) {}
KeyTree::~KeyTree() { destroy(root_); }

void KeyTree::destroy(Node* node) {
  if (node->level == 0) {
    auto* leaf = static_cast<Leaf*>(node);
    for (size_t i = 0; i < leaf->count; ++i) KeyVersions::destroy(leaf->entries[i]);
    delete leaf;
    return;
  }
  auto* inner = static_cast<Inner*>(node);
  for (size_t i = 0; i <= inner->count; ++i) destroy(inner->children[i]);
  delete inner;
}

// The leaf for a key that shares the common bytes of every node on its way; for others, any leaf. Saves looking at a
// separator in each node, which lies elsewhere in memory; whoever finds the key there has found it all the same.
KeyTree::Leaf* KeyTree::likely_leaf_for(std::string_view key) const {
  Node* node = root_;
  while (node->level > 0) {
    auto* inner = static_cast<Inner*>(node);
    node = inner->children[inner->likely_child_for(key)];
    node->prefetch();
  }
  return static_cast<Leaf*>(node);
}

KeyTree::Leaf* KeyTree::leaf_for(std::string_view key) const {
  Node* node = root_;
  while (node->level > 0) {
    auto* inner = static_cast<Inner*>(node);
    node = inner->children[inner->child_for(key)];
    node->prefetch();
  }
  return static_cast<Leaf*>(node);
}

KeyVersions* KeyTree::find(std::string_view key) const {
  KeyVersions* entry = find_in(*likely_leaf_for(key), key);
  return entry != nullptr ? entry : find_in(*leaf_for(key), key);
}

KeyVersions* KeyTree::find_in(Leaf& leaf, std::string_view key) {
  if (key.size() < leaf.skip) return nullptr;
  // A key that doesn't share the common bytes isn't here: the comparison at the end tells.
  const size_t i = leaf.row().search_heads(key, leaf.count);
  if (i == leaf.count || leaf.entries[i]->key() != key) return nullptr;
  return leaf.entries[i];
}

void KeyTree::prefetch(const std::string_view* keys, size_t count) const {
  CHECK(count <= kPrefetchMax);
  Node* at[kPrefetchMax];
  size_t place[kPrefetchMax];
  std::fill_n(at, count, root_);
  for (uint16_t level = root_->level; level > 0; --level) {
    for (size_t i = 0; i < count; ++i) {
      auto* inner = static_cast<Inner*>(at[i]);
      place[i] = inner->likely_child_for(keys[i]);
      __builtin_prefetch(&inner->children[place[i]]);
    }
    for (size_t i = 0; i < count; ++i) {
      at[i] = static_cast<Inner*>(at[i])->children[place[i]];
      at[i]->prefetch();
    }
  }
  for (size_t i = 0; i < count; ++i) {
    auto* leaf = static_cast<Leaf*>(at[i]);
    place[i] = leaf->count == 0 || keys[i].size() < leaf->skip ? kFanout : leaf->row().first_of_head(keys[i], leaf->count);
    __builtin_prefetch(&leaf->entries[place[i]]);
  }
  for (size_t i = 0; i < count; ++i)
    if (place[i] != kFanout) static_cast<Leaf*>(at[i])->entries[place[i]]->prefetch();
}

KeyVersions* KeyTree::find_or_insert(std::string_view key, Expected expected) {
  if (expected == Expected::there) {
    if (KeyVersions* entry = find_in(*likely_leaf_for(key), key)) return entry;
  }
  Split split;
  KeyVersions* entry = insert_below(root_, key, split);
  if (split.right != nullptr) {
    auto* root = new Inner(static_cast<uint16_t>(root_->level + 1));
    root->children[0] = root_;
    root->children[1] = split.right;
    root->separators[0] = std::move(split.separator);
    root->count = 1;
    root->row().recompute(1);
    root_ = root;
  }
  return entry;
}

KeyVersions* KeyTree::insert_below(Node* node, std::string_view key, Split& split) {
  if (node->level == 0) return insert_into_leaf(*static_cast<Leaf*>(node), key, split);
  auto& inner = *static_cast<Inner*>(node);
  const size_t child = inner.child_for(key);
  inner.children[child]->prefetch();
  Split below;
  KeyVersions* entry = insert_below(inner.children[child], key, below);
  if (below.right != nullptr) insert_into_inner(inner, child, below, split);
  return entry;
}

KeyVersions* KeyTree::insert_into_leaf(Leaf& leaf, std::string_view key, Split& split) {
  size_t i = 0;
  bool is_place = false;
  if (key.size() >= leaf.skip && leaf.count > 0) {
    i = leaf.row().search_heads(key, leaf.count);
    // The neighbour that is in the cache by now tells whether the key shares the common bytes.
    const std::string_view neighbour = leaf.entries[std::min<size_t>(i, leaf.count - 1)]->key();
    if (neighbour == key) return leaf.entries[i];
    is_place = std::memcmp(neighbour.data(), key.data(), leaf.skip) == 0;
  }
  if (!is_place) i = leaf.row().lower_bound(key, leaf.count);
  Leaf* target = &leaf;
  KeyVersions* entry = KeyVersions::create(key).release();
  ++size_;
  if (leaf.count == kFanout) {
    auto* right = new Leaf;
    right->next = std::exchange(leaf.next, right);
    split.right = right;
    // Keys that arrive in order leave full leaves behind.
    const size_t middle = i == kFanout && right->next == nullptr ? kFanout : kFanout / 2;
    right->count = static_cast<uint16_t>(kFanout - middle);
    std::copy(leaf.entries + middle, leaf.entries + kFanout, right->entries);
    leaf.count = static_cast<uint16_t>(middle);
    if (middle < kFanout) leaf.row().recompute(leaf.count);
    right->row().recompute(right->count);
    if (i > middle || middle == kFanout) {
      target = right;
      i -= middle;
    }
  }
  open_gap(target->entries, i, target->count);
  open_gap(target->heads, i, target->count);
  target->entries[i] = entry;
  ++target->count;
  target->row().added(i, target->count);
  if (split.right != nullptr)
    split.separator = shortest_separator(leaf.entries[leaf.count - 1]->key(),
                                         static_cast<Leaf*>(split.right)->entries[0]->key());
  return entry;
}

void KeyTree::insert_into_inner(Inner& inner, size_t child, Split& below, Split& split) {
  Inner* target = &inner;
  if (inner.count == kFanout) {
    auto* right = new Inner(inner.level);
    const size_t middle = child == kFanout ? kFanout - 1 : kFanout / 2;  // as with leaves
    split.right = right;
    split.separator = std::move(inner.separators[middle]);
    right->count = static_cast<uint16_t>(kFanout - middle - 1);
    std::move(inner.separators + middle + 1, inner.separators + kFanout, right->separators);
    std::copy(inner.children + middle + 1, inner.children + kFanout + 1, right->children);
    inner.count = static_cast<uint16_t>(middle);
    inner.row().recompute(inner.count);
    right->row().recompute(right->count);
    if (child > middle) {
      target = right;
      child -= middle + 1;
    }
  }
  open_gap(target->separators, child, target->count);
  open_gap(target->heads, child, target->count);
  open_gap(target->children, child + 1, target->count + 1);
  target->separators[child] = std::move(below.separator);
  target->children[child + 1] = below.right;
  ++target->count;
  target->row().added(child, target->count);
}

void KeyTree::erase(std::string_view key) {
  if (erase_below(root_, key)) {
    // The root leaf may be empty; an empty inner root can't be: its last child is taken instead.
    while (root_->level > 0 && root_->count == 0) {
      auto* inner = static_cast<Inner*>(root_);
      root_ = inner->children[0];
      delete inner;
    }
  }
}

// True if `node` became thin, and the parent should look after it.
bool KeyTree::erase_below(Node* node, std::string_view key) {
  constexpr size_t kThin = kFanout / 4;
  if (node->level == 0) {
    auto* leaf = static_cast<Leaf*>(node);
    const size_t i = leaf->row().lower_bound(key, leaf->count);
    if (i == leaf->count || leaf->entries[i]->key() != key) return false;
    KeyVersions::destroy(leaf->entries[i]);
    close_gap(leaf->entries, i, leaf->count);
    close_gap(leaf->heads, i, leaf->count);
    --leaf->count;
    --size_;
    return leaf->count < kThin;
  }
  auto& inner = *static_cast<Inner*>(node);
  const size_t child = inner.child_for(key);
  if (!erase_below(inner.children[child], key)) return false;
  if (inner.level == 1 && inner.count > 0) {
    const size_t left = child == inner.count ? child - 1 : child;
    const size_t a = inner.children[left]->count;
    const size_t b = inner.children[left + 1]->count;
    if (a == 0 || b == 0 || a + b <= kFanout * 3 / 4) merge_leaves(inner, left);
  } else if (inner.level > 1 && inner.children[child]->count == 0) {
    // One grandchild is left: it moves beside its neighbour, if that has room.
    const size_t left = child == inner.count ? child - 1 : child;
    auto* a = static_cast<Inner*>(inner.children[left]);
    auto* b = static_cast<Inner*>(inner.children[left + 1]);
    if (inner.count > 0 && size_t{a->count} + b->count + 1 <= kFanout) {
      a->separators[a->count] = std::move(inner.separators[left]);
      std::move(b->separators, b->separators + b->count, a->separators + a->count + 1);
      std::copy(b->children, b->children + b->count + 1, a->children + a->count + 1);
      a->count = static_cast<uint16_t>(a->count + b->count + 1);
      a->row().recompute(a->count);
      remove_child(inner, left);
      delete b;
    }
  }
  return inner.count == 0;
}

// Takes separator `child` and the child to its right out of `inner`.
void KeyTree::remove_child(Inner& inner, size_t child) {
  close_gap(inner.separators, child, inner.count);
  close_gap(inner.heads, child, inner.count);
  close_gap(inner.children, child + 1, inner.count + 1);
  inner.separators[--inner.count] = std::string();
}

void KeyTree::merge_leaves(Inner& inner, size_t left) {
  auto* a = static_cast<Leaf*>(inner.children[left]);
  auto* b = static_cast<Leaf*>(inner.children[left + 1]);
  std::copy(b->entries, b->entries + b->count, a->entries + a->count);
  a->count = static_cast<uint16_t>(a->count + b->count);
  a->next = b->next;
  a->row().recompute(a->count);
  remove_child(inner, left);
  delete b;
}

void KeyTree::visit(std::string_view from, absl::FunctionRef<bool(KeyVersions&)> visit) const {
  Leaf* leaf = leaf_for(from);
  size_t i = leaf->row().lower_bound(from, leaf->count);
  constexpr size_t kAhead =
      8;  // entries lie anywhere in memory: ask for them before they are needed
  for (; leaf != nullptr; leaf = leaf->next, i = 0) {
    for (; i < leaf->count; ++i) {
      if (i + kAhead < leaf->count) __builtin_prefetch(leaf->entries[i + kAhead]);
      if (!visit(*leaf->entries[i])) return;
    }
  }
}

void KeyTree::check() const {
  size_t leaf_depth = 0;
  size_t count = 0;
  check_below(root_, {}, {}, 1, leaf_depth, count);
  CHECK(count == size_);
  size_t linked = 0;
  std::string_view last;
  visit({}, [&](KeyVersions& entry) {
    CHECK(linked == 0 || last < entry.key());
    last = entry.key();
    ++linked;
    return true;
  });
  CHECK(linked == size_);
}

void KeyTree::check_below(const Node* node, std::string_view low, std::string_view high,
                          size_t depth, size_t& leaf_depth, size_t& count) const {
  auto check_row = [&](auto row) {
    for (size_t i = 0; i < node->count; ++i) {
      const std::string_view key = row.keys[i];
      CHECK(key >= low && (high.empty() || key < high));
      CHECK(i == 0 || row.keys[i - 1] < key);
      CHECK(key.substr(0, node->skip) == row.keys[0].substr(0, node->skip));
      CHECK(node->heads[i] == head_of(key, node->skip));
    }
  };
  if (node->level == 0) {
    auto* leaf = const_cast<Leaf*>(static_cast<const Leaf*>(node));
    CHECK(leaf_depth == 0 || leaf_depth == depth);
    leaf_depth = depth;
    count += leaf->count;
    return check_row(leaf->row());
  }
  auto* inner = const_cast<Inner*>(static_cast<const Inner*>(node));
  check_row(inner->row());
  for (size_t i = 0; i <= inner->count; ++i) {
    check_below(inner->children[i], i == 0 ? low : std::string_view(inner->separators[i - 1]),
                i == inner->count ? high : std::string_view(inner->separators[i]), depth + 1,
                leaf_depth, count);
  }
}

}  // namespace holdfast::mvcc
