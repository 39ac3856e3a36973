// Who watches a key: single keys by hash, ranges in an interval tree (etcd mvcc/watcher_group.go). Pure. A million
// entries of one key cost four bytes each; of a million keys about 70 each besides the key.
//
// An item is the caller's name for a watcher. The caller keeps the place it was given, which makes removal O(1), and
// learns of the one other item whose place a removal changes.
#pragma once

#include <cstdint>
#include <deque>
#include <string>
#include <string_view>
#include <vector>

#include "absl/container/flat_hash_set.h"
#include "absl/functional/function_ref.h"
#include "mvcc/watch_ranges.h"

namespace holdfast::mvcc {

class WatchMatcher {
 public:
  using Item = uint32_t;
  struct Place {
    uint32_t group = 0;
    uint32_t index = 0;  // in the group
  };
  struct Moved {
    bool any = false;
    Item item = 0;
    Place place;  // where it is now
  };

  WatchMatcher();
  WatchMatcher(const WatchMatcher&) = delete;
  WatchMatcher& operator=(const WatchMatcher&) = delete;
  ~WatchMatcher();

  // `end` as in a range: empty: the one key; a single zero byte: all keys >= key; else [key, end), with key < end.
  // The same item may be in once only.
  Place add(std::string_view key, std::string_view end, Item item);
  Moved remove(Place place);

  // Each item that watches `key`, once: single keys first, then ranges by their beginning; no order within one range.
  // Not to be changed meanwhile.
  void match(std::string_view key, absl::FunctionRef<void(const Item*, size_t)> visit) const;

  // Each item with what it watches. Not to be changed meanwhile.
  void for_each(absl::FunctionRef<void(std::string_view key, std::string_view end, Item)> visit) const;
  // What the item at `place` watches.
  struct Range {
    std::string_view key, end;
  };
  Range range_at(Place place) const;

  size_t size() const { return size_; }
  void clear();

 private:
  // Places of ranges have this bit set in `group`.
  static constexpr uint32_t kRangeBit = 1u << 31;

  struct KeyGroup {
    char* key = nullptr;  // its size, then its bytes; null: free
    WatchItems items;
    std::string_view view() const;
  };
  struct KeyHash {
    using is_transparent = void;
    const std::deque<KeyGroup>* groups;
    size_t operator()(std::string_view key) const;
    size_t operator()(uint32_t group) const { return (*this)((*groups)[group].view()); }
  };
  struct KeyEqual {
    using is_transparent = void;
    const std::deque<KeyGroup>* groups;
    std::string_view view(std::string_view key) const { return key; }
    std::string_view view(uint32_t group) const { return (*groups)[group].view(); }
    template <class A, class B>
    bool operator()(const A& a, const B& b) const {
      return view(a) == view(b);
    }
  };

  uint32_t group_of(std::string_view key);

  std::deque<KeyGroup> keys_;  // a deque: growing it by doubling would waste half
  std::vector<uint32_t> free_keys_;
  absl::flat_hash_set<uint32_t, KeyHash, KeyEqual> by_key_;
  WatchRanges ranges_;
  size_t size_ = 0;
};

}  // namespace holdfast::mvcc
