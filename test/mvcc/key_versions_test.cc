#include "mvcc/key_versions.h"

#include <algorithm>
#include <map>

#include "base/random.h"
#include "gtest/gtest.h"

namespace holdfast::mvcc {
namespace {

// The dumb way: generations as lists, as etcd's key_index.go describes them.
struct Oracle {
  struct Generation {
    int64_t created = 0;
    int64_t version = 0;  // of its last revision; a tombstone counts
    std::vector<RevisionPair> revisions;
  };
  std::vector<Generation> generations{{}};

  void put(RevisionPair r) {
    Generation& g = generations.back();
    if (g.revisions.empty()) g.created = r.main;
    g.revisions.push_back(r);
    ++g.version;
  }
  bool tombstone(RevisionPair r) {
    if (generations.back().revisions.empty()) return false;
    put(r);
    generations.push_back({});
    return true;
  }
  bool ended(size_t g) const { return g + 1 < generations.size(); }
  std::optional<KeyVersions::State> get(int64_t at) const {
    for (size_t g = generations.size(); g-- > 0;) {
      const auto& revisions = generations[g].revisions;
      if (revisions.empty() || revisions.front().main > at) continue;
      if (ended(g) && revisions.back().main <= at) return std::nullopt;
      for (size_t i = revisions.size(); i-- > 0;) {
        if (revisions[i].main <= at)
          return KeyVersions::State{
              revisions[i], generations[g].created,
              generations[g].version - static_cast<int64_t>(revisions.size() - 1 - i)};
      }
    }
    return std::nullopt;
  }
  // Where a compaction at `at` cuts: generation and revision (-1: none of them is old enough).
  std::pair<size_t, int> cut(int64_t at) const {
    size_t g = 0;
    // The second half: deleted and put again in one transaction.
    while (ended(g) && (generations[g].revisions.back().main < at ||
                        (!generations[g + 1].revisions.empty() &&
                         generations[g + 1].revisions.front().main <= at)))
      ++g;
    int i = static_cast<int>(generations[g].revisions.size()) - 1;
    while (i >= 0 && generations[g].revisions[static_cast<size_t>(i)].main > at) --i;
    return {g, i};
  }
  std::optional<RevisionPair> keep(int64_t at) const {
    auto [g, i] = cut(at);
    if (i < 0) return std::nullopt;
    if (ended(g) && static_cast<size_t>(i) + 1 == generations[g].revisions.size())
      return std::nullopt;
    return generations[g].revisions[static_cast<size_t>(i)];
  }
  std::optional<RevisionPair> compact(int64_t at) {
    auto [g, i] = cut(at);
    std::optional<RevisionPair> kept;
    auto& revisions = generations[g].revisions;
    if (i >= 0) {
      kept = revisions[static_cast<size_t>(i)];
      revisions.erase(revisions.begin(), revisions.begin() + i);
    }
    generations.erase(generations.begin(), generations.begin() + static_cast<ptrdiff_t>(g));
    return kept;
  }
  bool empty() const { return generations.size() == 1 && generations[0].revisions.empty(); }
};

void expect_same(const KeyVersions& entry, const Oracle& oracle, int64_t from, int64_t to) {
  for (int64_t at = from; at <= to; ++at) {
    KeyVersions::State state;
    const bool found = entry.get(at, state);
    const auto expected = oracle.get(at);
    ASSERT_EQ(found, expected.has_value()) << "at " << at;
    if (found) {
      EXPECT_EQ(state.modified, expected->modified) << "at " << at;
      EXPECT_EQ(state.created, expected->created) << "at " << at;
      EXPECT_EQ(state.version, expected->version) << "at " << at;
    }
    EXPECT_EQ(entry.keep(at), oracle.keep(at)) << "at " << at;
  }
}

// The life that etcd's comment on keyIndex describes: put 1, put 2, tombstone 3, put 4,
// tombstone 5.
TEST(KeyVersions, CompactionStepByStep) {  // KV-30, VD-07
  auto entry = KeyVersions::create("foo");
  entry->put({1, 0});
  entry->put({2, 0});
  EXPECT_TRUE(entry->tombstone({3, 0}));
  EXPECT_FALSE(entry->tombstone({4, 0}));
  entry->put({4, 0});
  EXPECT_TRUE(entry->tombstone({5, 0}));
  EXPECT_FALSE(entry->alive());
  EXPECT_EQ(entry->key(), "foo");
  std::optional<RevisionPair> kept;
  KeyVersions::State state;

  EXPECT_EQ(entry->compact(2, kept), KeyVersions::Left::something);
  EXPECT_EQ(kept, (RevisionPair{2, 0}));
  ASSERT_TRUE(entry->get(2, state));
  EXPECT_EQ(state.version, 2);
  EXPECT_EQ(state.created, 1);
  EXPECT_EQ(entry->compact(4, kept), KeyVersions::Left::something);
  EXPECT_EQ(kept, (RevisionPair{4, 0}));
  EXPECT_EQ(entry->keep(5), std::nullopt);
  EXPECT_EQ(entry->compact(5, kept), KeyVersions::Left::something);
  EXPECT_EQ(kept, (RevisionPair{5, 0}));  // the tombstone at the compaction's revision stays
  EXPECT_EQ(entry->compact(6, kept), KeyVersions::Left::nothing);
  EXPECT_EQ(kept, std::nullopt);
}

TEST(KeyVersions, RestoredFromTheMiddle) {
  auto entry = KeyVersions::create("k");
  entry->restore({7, 2}, 3, 5);
  entry->put({9, 0});
  KeyVersions::State state;
  EXPECT_FALSE(entry->get(6, state));
  ASSERT_TRUE(entry->get(8, state));
  EXPECT_EQ(state.version, 5);
  EXPECT_EQ(state.created, 3);
  ASSERT_TRUE(entry->get(9, state));
  EXPECT_EQ(state.version, 6);

  auto dead = KeyVersions::create("d");
  dead->restore_tombstone({7, 0});
  EXPECT_FALSE(dead->get(100, state));
  dead->put({8, 0});
  ASSERT_TRUE(dead->get(8, state));
  EXPECT_EQ(state.version, 1);
  EXPECT_EQ(state.created, 8);
}

TEST(KeyVersions, AgreesWithTheOracle) {
  for (uint64_t seed = 1; seed <= 300; ++seed) {
    Random random(seed);
    auto entry = KeyVersions::create("key");
    Oracle oracle;
    int64_t main = random.between(2, 5);
    int64_t compacted = 0;
    for (int step = 0; step < 60; ++step) {
      // Several changes in one transaction happen too.
      for (int64_t sub = 0, n = random.between(1, 3); sub < n; ++sub) {
        const RevisionPair revision{main, sub};
        if (random.chance(1, 3) && step + sub > 0) {
          ASSERT_EQ(entry->tombstone(revision), oracle.tombstone(revision));
        } else {
          entry->put(revision);
          oracle.put(revision);
        }
      }
      main += random.between(1, 3);
      if (random.chance(1, 6)) {
        compacted = random.between(compacted, main);
        std::optional<RevisionPair> kept;
        const auto left = entry->compact(compacted, kept);
        EXPECT_EQ(kept, oracle.compact(compacted)) << "seed " << seed;
        ASSERT_EQ(left == KeyVersions::Left::nothing, oracle.empty()) << "seed " << seed;
        if (oracle.empty()) {
          entry = KeyVersions::create("key");
          oracle = {};
          entry->put({main, 0});
          oracle.put({main, 0});
          ++main;
        }
      }
      expect_same(*entry, oracle, compacted, main + 1);
      if (testing::Test::HasFailure()) FAIL() << "seed " << seed << " step " << step;
    }
  }
}

}  // namespace
}  // namespace holdfast::mvcc
