#include "mvcc/key_tree.h"

#include <map>
#include <set>
#include <string>
#include <vector>

#include "base/random.h"
#include "gtest/gtest.h"

namespace holdfast::mvcc {
namespace {

// Keys as users have them and keys that are hard on the heads: common prefixes, zero bytes, one a
// prefix of the other.
std::string some_key(Random& random) {
  switch (random.below(6)) {
    case 0:
      return "/registry/pods/namespace-" + std::to_string(random.below(20)) + "/pod-" +
             std::to_string(random.below(500));
    case 1:
      return std::string(random.below(12) + 1, '\0');
    case 2:
      return "a" + std::string(random.below(10), '\0') + std::string(random.below(3), 'b');
    case 3: {
      std::string key(random.below(6) + 1, '\0');
      for (char& c : key) c = static_cast<char>(random.next());
      return key;
    }
    case 4:
      return std::string(random.below(300), 'x') + std::to_string(random.below(30));
    default:
      return std::to_string(random.below(5000));
  }
}

class Checked {
 public:
  void insert(const std::string& key) {
    KeyVersions* entry = tree_.find_or_insert(key);
    ASSERT_EQ(entry->key(), key);
    auto [it, is_new] = keys_.emplace(key, entry);
    ASSERT_EQ(it->second, entry);  // entries don't move
  }
  void erase(const std::string& key) {
    tree_.erase(key);
    keys_.erase(key);
  }
  void compare(Random& random) {
    tree_.check();
    ASSERT_EQ(tree_.size(), keys_.size());
    prefetch(random);
    for (const auto& [key, entry] : keys_) ASSERT_EQ(tree_.find(key), entry);
    for (int i = 0; i < 50; ++i) {
      const std::string from = some_key(random);
      ASSERT_EQ(tree_.find(from) != nullptr, keys_.contains(from));
      auto expected = keys_.lower_bound(from);
      int left = 100;
      tree_.visit(from, [&](KeyVersions& entry) {
        EXPECT_NE(expected, keys_.end());
        EXPECT_EQ(entry.key(), expected->first);
        ++expected;
        return --left > 0;
      });
      if (left > 0) {
        EXPECT_EQ(expected, keys_.end());
      }
    }
  }
  const std::map<std::string, KeyVersions*>& keys() const { return keys_; }

 private:
  // Keys that are there and others; what follows must find the tree as it was.
  void prefetch(Random& random) const {
    for (size_t count = 0; count <= KeyTree::kPrefetchMax; ++count) {
      std::vector<std::string> keys(count);
      for (std::string& key : keys) {
        key = some_key(random);
        const auto near = keys_.lower_bound(key);
        if (random.below(2) == 0 && near != keys_.end()) key = near->first;
      }
      const std::vector<std::string_view> views(keys.begin(), keys.end());
      tree_.prefetch(views.data(), views.size());
    }
  }

  KeyTree tree_;
  std::map<std::string, KeyVersions*> keys_;
};

TEST(KeyTree, AgreesWithAMap) {
  for (uint64_t seed = 1; seed <= 20; ++seed) {
    Random random(seed);
    Checked both;
    for (int phase = 0; phase < 6; ++phase) {
      const uint64_t inserts = random.below(4) + (phase % 2 == 0 ? 6 : 0);
      for (int i = 0; i < 2000; ++i) {
        if (random.below(10) < inserts || both.keys().empty()) {
          both.insert(some_key(random));
        } else {
          auto it = both.keys().lower_bound(some_key(random));
          both.erase(it == both.keys().end() ? both.keys().begin()->first : std::string(it->first));
        }
        if (testing::Test::HasFatalFailure()) FAIL() << "seed " << seed;
      }
      both.compare(random);
      if (testing::Test::HasFailure()) FAIL() << "seed " << seed;
    }
    while (!both.keys().empty()) {
      for (int i = 0; i < 500 && !both.keys().empty(); ++i)
        both.erase(std::string(both.keys().rbegin()->first));
      both.compare(random);
    }
  }
}

TEST(KeyTree, ManyKeysInAnyOrder) {
  for (int order = 0; order < 3; ++order) {
    Random random(7);
    KeyTree tree;
    constexpr int kKeys = 100'000;
    std::set<std::string> keys;
    for (int i = 0; i < kKeys; ++i) {
      const uint64_t n = order == 0   ? static_cast<uint64_t>(i)
                         : order == 1 ? static_cast<uint64_t>(kKeys - i)
                                      : random.next();
      std::string key =
          "key-" + std::string(20 - std::to_string(n).size(), '0') + std::to_string(n);
      tree.find_or_insert(key);
      keys.insert(std::move(key));
    }
    tree.check();
    EXPECT_EQ(tree.size(), keys.size());
    auto expected = keys.begin();
    tree.visit({}, [&](KeyVersions& entry) {
      EXPECT_EQ(entry.key(), *expected++);
      return true;
    });
    for (const std::string& key : keys)
      if (key.back() != '7') tree.erase(key);
    tree.check();
  }
}

}  // namespace
}  // namespace holdfast::mvcc
