// Put, range, delete and compaction as entries of the log: fields, headers, errors letter for letter.
#include "test/apply/apply_world.h"

namespace holdfast::apply {
namespace {

using Commands = ApplyTest;

// KV-20, TRP-14
TEST_F(Commands, PutRaisesRevisionAndVersion) {
  expect("put { key: 'a' value: '1' }", "header { revision: 2 }");
  expect("put { key: 'a' value: '1' }", "header { revision: 3 }");
  expect("range { key: 'a' }",
         "header { revision: 3 } kvs { key: \"a\" create_revision: 2 mod_revision: 3 version: 2 value: \"1\" } "
         "count: 1");
  expect("delete_range { key: 'a' }", "header { revision: 4 } deleted: 1");
  expect("put { key: 'a' }", "header { revision: 5 }");
  expect("range { key: 'a' }",
         "header { revision: 5 } kvs { key: \"a\" create_revision: 5 mod_revision: 5 version: 1 } count: 1");
}

// KV-22
TEST_F(Commands, PutReturnsWhatWasThere) {
  expect("put { key: 'a' value: '1' prev_kv: true }", "header { revision: 2 }");
  expect("put { key: 'a' value: '2' prev_kv: true }",
         "header { revision: 3 } prev_kv { key: \"a\" create_revision: 2 mod_revision: 2 version: 1 value: \"1\" }");
}

// KV-23, KV-24, ERR-02
TEST_F(Commands, PutKeepsValueOrLease) {
  expect("put { key: 'a' ignore_value: true }", "etcdserver: key not found");
  expect("put { key: 'a' value: 'x' ignore_lease: true }", "etcdserver: key not found");
  EXPECT_EQ(revision(), 1);
  expect("lease_grant { ID: 7 TTL: 100 }", "header { revision: 1 } ID: 7 TTL: 100");
  expect("put { key: 'a' value: '1' lease: 7 }", "header { revision: 2 }");
  expect("put { key: 'a' value: '2' ignore_lease: true }", "header { revision: 3 }");
  EXPECT_EQ(machine->leases().lease_of("a"), LeaseId(7));
  expect("put { key: 'a' ignore_value: true }", "header { revision: 4 }");
  EXPECT_EQ(get("a"), "2");
  EXPECT_EQ(machine->leases().lease_of("a"), LeaseId(0));
}

// KV-21, ERR-12
TEST_F(Commands, PutNeedsItsLease) {
  expect("put { key: 'a' lease: 7 }", "etcdserver: requested lease not found");
  // Before what the put would keep is looked for.
  expect("put { key: 'a' lease: 7 ignore_value: true }", "etcdserver: requested lease not found");
  EXPECT_EQ(revision(), 1);
}

// KV-02, KV-26
TEST_F(Commands, DeleteRangeTakesKeysInOneRevision) {
  for (const char* key : {"a", "b", "c", "d"})
    say(std::string("put { key: '") + key + "' value: '1' }");
  expect("delete_range { key: 'x' }", "header { revision: 5 }");
  expect("delete_range { key: 'c' range_end: 'b' }", "header { revision: 5 }");
  expect("delete_range { key: 'b' range_end: 'd' prev_kv: true }",
         "header { revision: 6 } deleted: 2 "
         "prev_kvs { key: \"b\" create_revision: 3 mod_revision: 3 version: 1 value: \"1\" } "
         "prev_kvs { key: \"c\" create_revision: 4 mod_revision: 4 version: 1 value: \"1\" }");
  expect("delete_range { key: '\\000' range_end: '\\000' }", "header { revision: 7 } deleted: 2");
  expect("delete_range { key: 'a' range_end: '\\000' }", "header { revision: 7 }");
}

// KV-04, KV-05, KV-06, KV-07, KV-11, KV-12, TRP-04, TRP-05, TRP-06
TEST_F(Commands, RangeOptions) {
  say("lease_grant { ID: 7 TTL: 100 }");
  say("put { key: 'c' value: 'x' lease: 7 }");  // 2
  say("put { key: 'b' value: 'z' }");           // 3
  say("put { key: 'a' value: 'y' }");           // 4
  const std::string all = "range { key: 'a' range_end: 'd' ";
  const auto keys = [&](const std::string& options) {
    auto result = submit(parse(all + options + "}"));
    if (!result->status.ok()) return text(result.get());
    std::string answer;
    auto& response = result->as<etcdserverpb::RangeResponse>();
    for (const auto& kv : response.kvs())
      answer += kv.key() + (kv.value().empty() ? "" : "=" + kv.value()) + " ";
    answer += "#" + std::to_string(response.count()) + (response.more() ? "+" : "");
    return answer;
  };
  const std::pair<const char*, const char*> table[] = {
      {"", "a=y b=z c=x #3"},
      {"limit: 2", "a=y b=z #3+"},
      {"limit: 3", "a=y b=z c=x #3"},
      {"limit: -1", "a=y b=z c=x #3"},
      {"limit: 9223372036854775807", "a=y b=z c=x #3"},
      {"count_only: true limit: 1", "#3"},
      {"keys_only: true", "a b c #3"},
      {"sort_order: DESCEND", "c=x b=z a=y #3"},
      {"sort_order: DESCEND limit: 1", "c=x #3+"},
      {"sort_target: MOD sort_order: ASCEND limit: 2", "c=x b=z #3+"},
      {"sort_target: CREATE sort_order: DESCEND", "a=y b=z c=x #3"},
      {"sort_target: VALUE sort_order: ASCEND keys_only: true", "c a b #3"},
      // No order: the first limit + 1 keys, and those sorted.
      {"sort_target: MOD limit: 1", "b=z #3+"},
      {"sort_target: VERSION", "a=y b=z c=x #3"},
      {"min_mod_revision: 3", "a=y b=z #3"},
      {"max_mod_revision: 3", "b=z c=x #3"},
      {"min_create_revision: 3 max_create_revision: 3", "b=z #3"},
      {"min_mod_revision: 3 limit: 1", "a=y #3+"},
      {"min_mod_revision: 4 limit: 1", "a=y #3"},
      {"revision: 2", "c=x #1"},
      {"revision: -5", "a=y b=z c=x #3"},
      {"revision: 5", "etcdserver: mvcc: required revision is a future revision"},
  };
  for (const auto& [options, answer] : table) EXPECT_EQ(keys(options), answer) << options;
  // The index knows no leases.
  expect("range { key: 'c' keys_only: true }",
         "header { revision: 4 } kvs { key: \"c\" create_revision: 2 mod_revision: 2 version: 1 } count: 1");
  expect("range { key: 'c' keys_only: true sort_target: VALUE }",
         "header { revision: 4 } kvs { key: \"c\" create_revision: 2 mod_revision: 2 version: 1 lease: 7 } "
         "count: 1");
}

// KV-08, KV-09, KV-27, KV-31, ERR-09, ERR-10, TRP-07
TEST_F(Commands, CompactionAndOldRevisions) {
  for (int i = 0; i < 4; ++i) say("put { key: 'a' value: '" + std::to_string(i) + "' }");
  expect("compaction { revision: 6 }", "etcdserver: mvcc: required revision is a future revision");
  expect("compaction { revision: 3 }", "header { revision: 5 }");
  expect("compaction { revision: 3 }", "etcdserver: mvcc: required revision has been compacted");
  expect("compaction { revision: 0 }", "etcdserver: mvcc: required revision has been compacted");
  expect("range { key: 'a' revision: 2 }", "etcdserver: mvcc: required revision has been compacted");
  expect("range { key: 'a' revision: 3 }",
         "header { revision: 5 } kvs { key: \"a\" create_revision: 2 mod_revision: 3 version: 2 value: \"1\" } "
         "count: 1");
}

// KV-27
TEST_F(Commands, CompactionAtZeroWhenThereWasNone) {
  expect("compaction { revision: 0 }", "header { revision: 1 }");
  expect("compaction { revision: 0 }", "etcdserver: mvcc: required revision has been compacted");
}

// KV-29, TRP-23
TEST_F(Commands, PhysicalCompactionHasABarrier) {
  for (int i = 0; i < 50; ++i) say("put { key: 'a' value: '1' }");
  auto result = submit(parse("compaction { revision: 40 physical: true }"));
  ASSERT_TRUE(result->status.ok());
  ASSERT_NE(result->compaction, nullptr);
  // Whoever asks again waits for the first one.
  auto again = submit(parse("compaction { revision: 40 physical: true }"));
  EXPECT_TRUE(is(again->status, EtcdError::compacted));
  ASSERT_NE(again->compaction, nullptr);
  int opened = 0;
  result->compaction->on_done(owner, [&] { ++opened; });
  again->compaction->on_done(owner, [&] { ++opened; });
  EXPECT_EQ(opened, 0);
  for (int i = 0; i < 100 && opened < 2; ++i) pass(std::chrono::milliseconds(100));
  EXPECT_EQ(opened, 2);
  EXPECT_EQ(submit(parse("compaction { revision: 99 physical: true }"))->compaction, nullptr);
  EXPECT_EQ(submit(parse("compaction { revision: 50 }"))->compaction, nullptr);
}

// PUT-17
TEST_F(Commands, NobodyWaitsForARead) {
  EXPECT_EQ(say("range { key: 'a' }", false), "none");
  EXPECT_EQ(say("put { key: 'a' value: '1' }", false), "none");
  EXPECT_EQ(get("a"), "1");
  EXPECT_EQ(say("delete_range { key: 'a' prev_kv: true }", false), "none");
  EXPECT_EQ(get("a"), "(none)");
  EXPECT_EQ(revision(), 3);
}

// PUT-05
TEST_F(Commands, IdInFieldOneGoesBeforeTheHeaders) {
  ParsedRequest request;
  etcdserverpb::InternalRaftRequest message = parse("put { key: 'k' value: 'v' }");
  message.set_id(5);
  const std::string without_header = message.SerializeAsString();
  EXPECT_TRUE(request.parse(without_header));
  EXPECT_EQ(request.id(), 5u);
  message.mutable_header()->set_id(6);
  message.mutable_header()->set_username("u");
  message.mutable_header()->set_auth_revision(9);
  const std::string with_both = message.SerializeAsString();
  EXPECT_TRUE(request.parse(with_both));
  EXPECT_EQ(request.id(), 5u);
  EXPECT_EQ(request.caller().username, "u");
  EXPECT_EQ(request.caller().auth_revision, 9u);
  EXPECT_EQ(request.put().key, "k");
  // etcd panics on these.
  message.Clear();
  message.mutable_put()->set_key("k");
  const std::string without_id = message.SerializeAsString();
  EXPECT_FALSE(request.parse(without_id));
  EXPECT_FALSE(request.parse("\x22\xff\xff"));
}

TEST_F(Commands, APayloadThatIsNoRequestEndsTheProcess) {
  log.push_back({.term = Term(2), .index = Index(1), .data = SharedBytes(std::string_view("\x22\x05z", 3))});
  EXPECT_THROW(hand_in(log.back()), std::runtime_error);
  EXPECT_THROW(submit({}), std::runtime_error);
}

}  // namespace
}  // namespace holdfast::apply
