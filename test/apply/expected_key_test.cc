// What entries will look up, told before it is their turn.
#include "apply/expected_key.h"

#include "test/apply/apply_world.h"

namespace holdfast::apply {
namespace {

std::string entry_of(const std::string& text) {
  etcdserverpb::InternalRaftRequest request = ApplyWorld::parse(text);
  request.mutable_header()->set_id(7);
  request.mutable_header()->set_username("root");
  return request.SerializeAsString();
}

TEST(ExpectedKey, OfWhatLooksUpOne) {
  EXPECT_EQ(expected_key(entry_of("put { key: 'a' value: 'b' lease: 3 }")), "a");
  EXPECT_EQ(expected_key(entry_of("delete_range { key: 'd' range_end: 'e' }")), "d");
  EXPECT_EQ(expected_key(entry_of("txn { compare { target: MOD mod_revision: 3 key: 'c' } compare { key: 'x' } "
                                  "success { request_put { key: 'c' } } }")),
            "c");
}

TEST(ExpectedKey, NothingElse) {
  EXPECT_EQ(expected_key(""), "");
  EXPECT_EQ(expected_key(entry_of("txn { success { request_put { key: 'c' } } }")), "");
  EXPECT_EQ(expected_key(entry_of("lease_grant { TTL: 100 }")), "");
  EXPECT_EQ(expected_key(entry_of("compaction { revision: 3 }")), "");
}

TEST(ExpectedKey, CutBytesAreNoKeyOrTheWholeOne) {
  for (const char* text : {"put { key: 'some key' value: 'b' }", "txn { compare { key: 'some key' } }"}) {
    const std::string entry = entry_of(text);
    for (size_t size = 0; size <= entry.size(); ++size) {
      const std::string cut = entry.substr(0, size);  // a copy, so that a sanitizer sees who reads on
      const std::string_view key = expected_key(cut);
      EXPECT_TRUE(key.empty() || key == "some key") << key;
    }
  }
}

using Expecting = ApplyTest;

// Enough keys for the store to ask for them; a matter of speed only, so that nothing may come out differently.
TEST_F(Expecting, ChangesNothing) {
  constexpr int kKeys = 25'000;
  for (int i = 0; i < kKeys; ++i) say("put { key: 'key" + std::to_string(i * 7919 % kKeys) + "' value: 'x' }");
  std::vector<raft::Entry> next;
  next.push_back(append(parse("delete_range { key: 'key0' }")));
  next.push_back(append(parse("txn { compare { key: 'key1' target: VERSION version: 1 } success { request_put { key: 'key1' value: 'y' } } }")));
  while (next.size() < StateMachine::kExpectedMax)
    next.push_back(append(parse("put { key: 'key" + std::to_string(next.size()) + "' value: 'y' }")));
  std::vector<raft::Entry> shown = next;
  shown[3].type = raft::EntryType::conf_change;  // no request: not looked into
  shown[4].data = {};
  machine->expect(shown.data(), shown.size());
  for (const raft::Entry& entry : next) hand_in(entry);
  EXPECT_EQ(revision(), 1 + kKeys + static_cast<int64_t>(next.size()));
  EXPECT_EQ(get("key0"), "(none)");
  for (size_t i = 2; i < next.size(); ++i) EXPECT_EQ(get("key" + std::to_string(i)), "y");
  EXPECT_EQ(get("key40"), "x");
}

}  // namespace
}  // namespace holdfast::apply
