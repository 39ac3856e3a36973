#include "mvcc/watch_matcher.h"

#include <cstdlib>
#include <cstring>

#include "absl/hash/hash.h"
#include "base/check.h"

namespace holdfast::mvcc {
namespace {

char* copy_key(std::string_view key) {
  const auto size = static_cast<uint32_t>(key.size());
  char* copy = new char[sizeof size + key.size()];
  std::memcpy(copy, &size, sizeof size);
  if (!key.empty()) std::memcpy(copy + sizeof size, key.data(), key.size());
  return copy;
}

}  // namespace

std::string_view WatchMatcher::KeyGroup::view() const {
  uint32_t size;
  std::memcpy(&size, key, sizeof size);
  return {key + sizeof size, size};
}

size_t WatchMatcher::KeyHash::operator()(std::string_view key) const {
  return absl::Hash<std::string_view>()(key);
}

WatchMatcher::WatchMatcher() : by_key_(0, KeyHash{&keys_}, KeyEqual{&keys_}) {}
WatchMatcher::~WatchMatcher() { clear(); }

void WatchMatcher::clear() {
  by_key_ = absl::flat_hash_set<uint32_t, KeyHash, KeyEqual>(0, KeyHash{&keys_}, KeyEqual{&keys_});
  for (KeyGroup& group : keys_) delete[] group.key;
  keys_.clear();
  keys_.shrink_to_fit();
  free_keys_ = {};
  ranges_.clear();
  size_ = 0;
}

uint32_t WatchMatcher::group_of(std::string_view key) {
  if (const auto found = by_key_.find(key); found != by_key_.end()) return *found;
  uint32_t group;
  if (free_keys_.empty()) {
    group = static_cast<uint32_t>(keys_.size());
    keys_.emplace_back();
  } else {
    group = free_keys_.back();
    free_keys_.pop_back();
  }
  keys_[group].key = copy_key(key);
  by_key_.insert(group);
  return group;
}

WatchMatcher::Place WatchMatcher::add(std::string_view key, std::string_view end, Item item) {
  ++size_;
  if (end.empty()) {
    const uint32_t group = group_of(key);
    WatchItems& items = keys_[group].items;
    items.push_back(item);
    return {group, items.size() - 1};
  }
  const uint32_t node = ranges_.insert(key, end);
  WatchItems& items = ranges_.items(node);
  items.push_back(item);
  return {node | kRangeBit, items.size() - 1};
}

WatchMatcher::Moved WatchMatcher::remove(Place place) {
  const bool is_range = (place.group & kRangeBit) != 0;
  const uint32_t group = place.group & ~kRangeBit;
  WatchItems& items = is_range ? ranges_.items(group) : keys_[group].items;
  CHECK(place.index < items.size());
  --size_;
  items.erase(place.index);
  if (place.index < items.size()) return {true, items[place.index], place};
  if (items.size() > 0) return {};
  if (is_range) {
    ranges_.erase(group);
  } else {
    by_key_.erase(by_key_.find(group));
    delete[] keys_[group].key;
    keys_[group].key = nullptr;
    free_keys_.push_back(group);
  }
  if (size_ == 0) clear();  // gives memory back
  return {};
}

void WatchMatcher::match(std::string_view key,
                         absl::FunctionRef<void(const Item*, size_t)> visit) const {
  if (const auto found = by_key_.find(key); found != by_key_.end()) {
    const WatchItems& items = keys_[*found].items;
    visit(items.data(), items.size());
  }
  ranges_.stab(key, [&](uint32_t node) {
    const WatchItems& items = ranges_.items(node);
    visit(items.data(), items.size());
  });
}

void WatchMatcher::for_each(
    absl::FunctionRef<void(std::string_view key, std::string_view end, Item)> visit) const {
  for (const KeyGroup& group : keys_)
    for (uint32_t i = 0; i < group.items.size(); ++i) visit(group.view(), {}, group.items[i]);
  ranges_.for_each([&](uint32_t node) {
    const WatchItems& items = ranges_.items(node);
    for (uint32_t i = 0; i < items.size(); ++i)
      visit(ranges_.begin(node), ranges_.end(node), items[i]);
  });
}

WatchMatcher::Range WatchMatcher::range_at(Place place) const {
  const uint32_t group = place.group & ~kRangeBit;
  if ((place.group & kRangeBit) == 0) return {keys_[group].view(), {}};
  return {ranges_.begin(group), ranges_.end(group)};
}

}  // namespace holdfast::mvcc
