// Transactions: compares, paths, checks before, execution in order.
#include "apply/txn.h"
#include "test/apply/apply_world.h"

namespace holdfast::apply {
namespace {

class Txns : public ApplyTest {
 protected:
  void SetUp() override {
    ApplyTest::SetUp();
    say("lease_grant { ID: 7 TTL: 100 }");
    say("put { key: 'a' value: 'm' }");           // 2
    say("put { key: 'b' value: 'n' lease: 7 }");  // 3
    say("put { key: 'b' value: 'n' lease: 7 }");  // 4
  }
  // Whether a txn with these compares takes its first branch. Nothing is written.
  bool holds(const std::string& compares) {
    auto result = submit(parse("txn { " + compares + " success { request_range { key: 'a' } } }"));
    EXPECT_TRUE(result->status.ok());
    return result->as<etcdserverpb::TxnResponse>().succeeded();
  }
};

// TXN-05, TXN-06, TXN-07, TXN-08, TRP-09
TEST_F(Txns, Compares) {
  const std::pair<const char*, bool> table[] = {
      {"", true},
      {"compare { key: 'a' target: VERSION version: 1 }", true},
      {"compare { key: 'a' target: VERSION version: 2 result: LESS }", true},
      {"compare { key: 'a' target: VERSION version: 1 result: LESS }", false},
      {"compare { key: 'b' target: CREATE create_revision: 3 }", true},
      {"compare { key: 'b' target: MOD mod_revision: 3 result: GREATER }", true},
      {"compare { key: 'b' target: MOD mod_revision: 4 result: NOT_EQUAL }", false},
      {"compare { key: 'b' target: LEASE lease: 7 }", true},
      {"compare { key: 'a' target: LEASE lease: 0 }", true},
      {"compare { key: 'a' target: VALUE value: 'm' }", true},
      {"compare { key: 'a' target: VALUE value: 'l' result: GREATER }", true},
      {"compare { key: 'a' target: VALUE value: 'n' result: GREATER }", false},
      // The union doesn't fit the target, or isn't there: 0 or nothing.
      {"compare { key: 'a' target: VERSION mod_revision: 1 }", false},
      {"compare { key: 'a' target: MOD result: GREATER }", true},
      {"compare { key: 'a' target: VALUE version: 3 result: GREATER }", true},
      // No such key.
      {"compare { key: 'x' target: VALUE value: 'm' }", false},
      {"compare { key: 'x' target: VALUE value: 'm' result: NOT_EQUAL }", false},
      {"compare { key: 'x' target: VERSION version: 0 }", true},
      {"compare { key: 'x' target: CREATE create_revision: 1 result: LESS }", true},
      {"compare { key: 'x' target: MOD mod_revision: 0 result: NOT_EQUAL }", false},
      {"compare { key: 'x' target: LEASE lease: 0 }", true},
      // All keys of a range.
      {"compare { key: 'a' range_end: 'c' target: VERSION version: 0 result: GREATER }", true},
      {"compare { key: 'a' range_end: 'c' target: VERSION version: 1 }", false},
      {"compare { key: 'a' range_end: '\\000' target: MOD mod_revision: 5 result: LESS }", true},
      {"compare { key: 'c' range_end: '\\000' target: MOD mod_revision: 0 }", true},
      {"compare { key: 'c' range_end: 'z' target: VALUE value: '' }", false},
      {"compare { key: 'b' range_end: 'a' target: VERSION version: 0 }", true},
      // Anded.
      {"compare { key: 'a' target: VERSION version: 1 } compare { key: 'b' target: VERSION version: 1 }", false},
      {"compare { key: 'a' target: VERSION version: 1 } compare { key: 'b' target: VERSION version: 2 }", true},
  };
  for (const auto& [compares, result] : table) EXPECT_EQ(holds(compares), result) << compares;
  EXPECT_EQ(revision(), 4);
}

TEST_F(Txns, ComparesWithNumbersUnknownToUs) {
  etcdserverpb::InternalRaftRequest request = parse(
      "txn { compare { key: 'a' target: VERSION version: 77 } success { request_range { key: 'a' } } }");
  auto& compare = *request.mutable_txn()->mutable_compare(0);
  compare.set_result(static_cast<etcdserverpb::Compare_CompareResult>(9));
  EXPECT_TRUE(submit(request)->as<etcdserverpb::TxnResponse>().succeeded());
  compare.set_result(etcdserverpb::Compare::EQUAL);
  compare.set_target(static_cast<etcdserverpb::Compare_CompareTarget>(9));
  EXPECT_TRUE(submit(request)->as<etcdserverpb::TxnResponse>().succeeded());
}

// TXN-11, TXN-12, TRP-13
TEST_F(Txns, OperationsSeeWhatWasDoneBefore) {
  expect(
      "txn { success { request_range { key: 'c' } } success { request_put { key: 'c' value: '1' } } "
      "success { request_range { key: 'c' } } success { request_delete_range { key: 'c' prev_kv: true } } "
      "success { request_range { key: 'c' } } success { request_put { key: 'd' value: '2' } } "
      "success { request_range { key: 'a' revision: 2 count_only: true } } }",
      "header { revision: 5 } succeeded: true "
      "responses { response_range { header { revision: 4 } } } "
      "responses { response_put { header { revision: 5 } } } "
      "responses { response_range { header { revision: 5 } kvs { key: \"c\" create_revision: 5 mod_revision: 5 "
      "version: 1 value: \"1\" } count: 1 } } "
      "responses { response_delete_range { header { revision: 5 } deleted: 1 prev_kvs { key: \"c\" "
      "create_revision: 5 mod_revision: 5 version: 1 value: \"1\" } } } "
      "responses { response_range { header { revision: 5 } } } "
      "responses { response_put { header { revision: 5 } } } "
      "responses { response_range { header { revision: 5 } count: 1 } }");
  EXPECT_EQ(revision(), 5);
}

// KV-26, TXN-12
TEST_F(Txns, ATxnThatChangesNothingRaisesNoRevision) {
  expect("txn { success { request_delete_range { key: 'x' } } }",
         "header { revision: 4 } succeeded: true responses { response_delete_range { header { revision: 4 } } }");
  expect("txn { success { request_put { key: 'x' } } success { request_delete_range { key: 'y' } } }",
         "header { revision: 5 } succeeded: true responses { response_put { header { revision: 5 } } } "
         "responses { response_delete_range { header { revision: 5 } } }");
}

// TXN-09, TRP-08: the inner compare sees the state before the outer put; TRP-13: no revision in the nested header.
TEST_F(Txns, NestedPathsAreFixedBefore) {
  const std::string nested =
      "success { request_txn { compare { key: 'n' target: VERSION version: 0 } "
      "success { request_put { key: 'in' value: 'absent' } } failure { request_put { key: 'in' value: 'there' } } "
      "success { request_txn { success { request_range { key: 'n' count_only: true } } } } } }";
  expect("txn { success { request_put { key: 'n' value: '1' } } " + nested +
             " success { request_put { key: 'after' value: '1' } } }",
         "header { revision: 5 } succeeded: true responses { response_put { header { revision: 5 } } } "
         "responses { response_txn { header { } succeeded: true responses { response_put { header { revision: 5 } } } "
         "responses { response_txn { header { } succeeded: true responses { response_range { header { revision: 5 } "
         "count: 1 } } } } } } responses { response_put { header { revision: 5 } } }");
  EXPECT_EQ(get("in"), "absent");
  expect("txn { " + nested + " }",
         "header { revision: 6 } succeeded: true responses { response_txn { header { } "
         "responses { response_put { header { revision: 6 } } } } }");
  EXPECT_EQ(get("in"), "there");
}

// TXN-10, ERR-02, ERR-09, ERR-10, ERR-12
TEST_F(Txns, NothingIsDoneIfOneCheckFails) {
  const std::string put = "success { request_put { key: 'c' value: '1' } } ";
  const auto refused = [&](const std::string& operation, const std::string& error) {
    expect("txn { " + put + "success { " + operation + " } }", error);
    expect("txn { " + put + "success { request_txn { success { " + operation + " } } } }", error);
    // A branch that isn't taken isn't looked at.
    const std::string ok = say("txn { success { request_put { key: 'z' } } failure { " + operation + " } }");
    EXPECT_NE(ok.find("succeeded: true"), std::string::npos) << ok;
  };
  say("compaction { revision: 3 }");
  const std::string compacted = "etcdserver: mvcc: required revision has been compacted";
  refused("request_range { key: 'a' revision: 99 }", "etcdserver: mvcc: required revision is a future revision");
  refused("request_range { key: 'a' revision: 2 }", compacted);
  refused("request_range { key: 'a' revision: -1 }", compacted);
  refused("request_put { key: 'd' lease: 8 }", "etcdserver: requested lease not found");
  refused("request_put { key: 'd' ignore_value: true }", "etcdserver: key not found");
  refused("request_put { key: 'd' ignore_lease: true }", "etcdserver: key not found");
  EXPECT_EQ(get("c"), "(none)");
  // The revision that the txn itself would make is a future one, too.
  expect("txn { " + put + "success { request_range { key: 'c' revision: " + std::to_string(revision() + 1) + " } } }",
         "etcdserver: mvcc: required revision is a future revision");
  // What a put keeps is looked for in the state before.
  expect("txn { success { request_put { key: 'd' } } success { request_put { key: 'd' ignore_value: true } } }",
         "etcdserver: key not found");
}

// TRP-07: never compacted is -1, and -1 is not below it.
TEST_F(Txns, NegativeRevisionsBeforeTheFirstCompaction) {
  const std::string answer = say("txn { success { request_range { key: 'a' revision: -1 } } }");
  EXPECT_NE(answer.find("count: 1"), std::string::npos) << answer;
  expect("txn { success { request_range { key: 'a' revision: -2 } } }",
         "etcdserver: mvcc: required revision has been compacted");
}

// TXN-04, TRP-11: etcd's check lets this pass, and the key whose value is to be kept is gone by then.
TEST_F(Txns, PutKeepsNothingOfAKeyDeletedBefore) {
  expect("txn { success { request_delete_range { key: 'a' range_end: '\\000' } } "
         "success { request_put { key: 'b' ignore_value: true ignore_lease: true } } }",
         "header { revision: 5 } succeeded: true "
         "responses { response_delete_range { header { revision: 5 } deleted: 2 } } "
         "responses { response_put { header { revision: 5 } } }");
  EXPECT_EQ(get("b"), "");
  EXPECT_EQ(machine->leases().lease_of("b"), LeaseId(0));
}

// TXN-13, TRP-10
TEST_F(Txns, ReadOnlyOnes) {
  using Txn = etcdserverpb::TxnRequest;
  const auto txn = [](const std::string& text) { return Txn(parse("txn { " + text + " }").txn()); };
  struct {
    const char* text;
    bool read_only, serializable;
  } table[] = {
      {"", true, true},
      {"compare { key: 'a' }", true, true},
      {"success { request_range { key: 'a' serializable: true } }", true, true},
      {"success { request_range { key: 'a' serializable: true } } failure { request_range { key: 'a' } }", true,
       false},
      {"failure { request_put { key: 'a' } }", false, false},
      {"success { request_txn { success { request_range { key: 'a' serializable: true } } } }", false, false},
      {"success { }", false, false},
  };
  for (const auto& row : table) {
    EXPECT_EQ(is_txn_read_only(txn(row.text)), row.read_only) << row.text;
    EXPECT_EQ(is_txn_serializable(txn(row.text)), row.serializable) << row.text;
  }
  expect("txn { compare { key: 'x' target: VERSION version: 1 } failure { request_range { key: 'a' limit: 1 } } }",
         "header { revision: 4 } responses { response_range { header { revision: 4 } kvs { key: \"a\" "
         "create_revision: 2 mod_revision: 2 version: 1 value: \"m\" } count: 1 } }");
  expect("txn { success { request_range { key: 'a' revision: 99 } } }",
         "etcdserver: mvcc: required revision is a future revision");
}

// TXN-17, VD-25
TEST_F(Txns, WhereNobodyWaitsTheSameIsWritten) {
  ApplyWorld other;
  other.open();
  for (const raft::Entry& entry : log) other.hand_in(entry, false);
  const char* txns[] = {
      "txn { success { request_range { key: 'a' } } success { request_put { key: 'c' value: 'v' lease: 7 } } }",
      "txn { success { request_put { key: 'b' ignore_value: true ignore_lease: true } } "
      "success { request_delete_range { key: 'a' range_end: 'b' prev_kv: true } } }",
      "txn { success { request_range { key: 'a' revision: 99 } } success { request_put { key: 'd' } } }",
  };
  for (const char* txn : txns) {
    const std::string answer = say(txn);
    EXPECT_NE(answer, "none");
    EXPECT_EQ(ApplyWorld::text(other.hand_in(log.back(), false).get()), "none");
    EXPECT_EQ(hash(), other.hash()) << txn;
  }
  EXPECT_EQ(get("d"), "(none)");
}

// TXN-15: once something is written there is no way back, so that members who can't go on must not go their own ways.
TEST_F(Txns, AnErrorBehindTheFirstWriteEndsTheProcess) {
  commit();
  auto& records = image->state->buckets[static_cast<size_t>(backend::Bucket::key)];
  ASSERT_EQ(records.erase(std::string(backend::RevisionKeyBytes({{2, 0}, false}).view())), 1u);
  EXPECT_DEATH(say("txn { success { request_put { key: 'c' } } success { request_range { key: 'a' } } }"),
               "the backend doesn't have it");
}

}  // namespace
}  // namespace holdfast::apply
