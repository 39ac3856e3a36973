// The matcher against a list of all ranges that is walked for each key.
#include "mvcc/watch_matcher.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>

#include "base/random.h"

namespace holdfast::mvcc {
namespace {

const std::string kNoEnd("\0", 1);

class Oracle {
 public:
  struct Entry {
    std::string key, end;
    WatchMatcher::Place place;
  };
  bool matches(const Entry& e, const std::string& key) const {
    if (e.end.empty()) return e.key == key;
    return key >= e.key && (e.end == kNoEnd || key < e.end);
  }
  std::vector<uint32_t> match(const std::string& key) const {
    std::vector<uint32_t> items;
    for (const auto& [item, entry] : entries)
      if (matches(entry, key)) items.push_back(item);
    return items;
  }
  std::map<uint32_t, Entry> entries;
};

std::vector<uint32_t> match(const WatchMatcher& matcher, const std::string& key) {
  std::vector<uint32_t> items;
  matcher.match(key, [&](const uint32_t* some, size_t count) { items.insert(items.end(), some, some + count); });
  std::sort(items.begin(), items.end());
  return items;
}

std::string random_key(Random& random) {
  std::string key;
  for (uint64_t n = random.below(4); n-- > 0;) key += static_cast<char>("\0ab\xff"[random.below(4)]);
  return key;
}

TEST(WatchMatcher, LikeAListOfRanges) {
  for (uint64_t seed = 0; seed < 30; ++seed) {
    Random random(seed);
    WatchMatcher matcher;
    Oracle oracle;
    uint32_t next = 0;
    const bool shrinking = seed % 3 == 0;
    for (int step = 0; step < 2000; ++step) {
      if (oracle.entries.empty() || random.below(10) < (shrinking && step > 1000 ? 2 : 6)) {
        Oracle::Entry entry{.key = random_key(random), .end = {}, .place = {}};
        const uint64_t kind = random.below(3);
        if (kind == 1) entry.end = kNoEnd;
        if (kind == 2) entry.end = random_key(random);
        if (!entry.end.empty() && entry.end != kNoEnd && entry.end <= entry.key) continue;
        entry.place = matcher.add(entry.key, entry.end, next);
        oracle.entries.emplace(next++, entry);
      } else {
        auto at = std::next(oracle.entries.begin(), random.below(oracle.entries.size()));
        const auto moved = matcher.remove(at->second.place);
        if (moved.any) {
          ASSERT_TRUE(oracle.entries.contains(moved.item));
          oracle.entries[moved.item].place = moved.place;
        }
        oracle.entries.erase(at);
      }
      ASSERT_EQ(matcher.size(), oracle.entries.size());
      const std::string key = random_key(random);
      ASSERT_EQ(match(matcher, key), oracle.match(key)) << "seed " << seed << " step " << step;
    }
    std::map<uint32_t, std::pair<std::string, std::string>> all;
    matcher.for_each([&](std::string_view key, std::string_view end, uint32_t item) {
      EXPECT_TRUE(all.emplace(item, std::pair(std::string(key), std::string(end))).second);
    });
    ASSERT_EQ(all.size(), oracle.entries.size());
    for (const auto& [item, entry] : oracle.entries) {
      EXPECT_EQ(all[item], std::pair(entry.key, entry.end));
      EXPECT_EQ(matcher.range_at(entry.place).key, entry.key);
      EXPECT_EQ(matcher.range_at(entry.place).end, entry.end);
    }
    matcher.clear();
    EXPECT_TRUE(match(matcher, "a").empty());
  }
}

// Ascending ranges are the worst order for a tree that doesn't balance.
TEST(WatchMatcher, ManyRangesInOrder) {
  WatchMatcher matcher;
  const auto name = [](int i) { return "k" + std::to_string(1'000'000 + i); };
  std::vector<WatchMatcher::Place> places;
  for (int i = 0; i < 100'000; ++i) places.push_back(matcher.add(name(i), name(i + 2), i));
  for (int i = 1; i < 100'000; i += 997)
    EXPECT_EQ(match(matcher, name(i)), (std::vector<uint32_t>{static_cast<uint32_t>(i - 1), static_cast<uint32_t>(i)}));
  for (const auto& place : places) EXPECT_FALSE(matcher.remove(place).any);
  EXPECT_EQ(matcher.size(), 0u);
}

}  // namespace
}  // namespace holdfast::mvcc
