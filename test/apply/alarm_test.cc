// Alarms and the quota: what they refuse, what is written all the same, what a restart keeps.
#include "test/apply/apply_world.h"

namespace holdfast::apply {
namespace {

const std::string kNoSpace = "etcdserver: mvcc: database space exceeded";
const std::string kCorrupt = "etcdserver: corrupt cluster";
const std::string kPut = "put { key: 'a' value: '1' }";

class Alarms : public ApplyTest {
 protected:
  void alarm(const std::string& action, const std::string& fields, const std::string& answer) {
    expect("alarm { action: " + action + " " + fields + " }", answer);
  }
};

// MNT-01
TEST_F(Alarms, RaisedListedAndCleared) {
  alarm("GET", "", "");
  alarm("ACTIVATE", "memberID: 2 alarm: NOSPACE", "alarms { memberID: 2 alarm: NOSPACE }");
  alarm("ACTIVATE", "memberID: 1 alarm: NOSPACE", "alarms { memberID: 1 alarm: NOSPACE }");
  // Again, and of no kind.
  alarm("ACTIVATE", "memberID: 1 alarm: NOSPACE", "alarms { memberID: 1 alarm: NOSPACE }");
  alarm("ACTIVATE", "memberID: 1 alarm: NONE", "");
  alarm("ACTIVATE", "memberID: 1 alarm: CORRUPT", "alarms { memberID: 1 alarm: CORRUPT }");
  alarm("GET", "alarm: CORRUPT", "alarms { memberID: 1 alarm: CORRUPT }");
  alarm("GET", "",
        "alarms { memberID: 1 alarm: NOSPACE } alarms { memberID: 2 alarm: NOSPACE } "
        "alarms { memberID: 1 alarm: CORRUPT }");
  // No member is every member's number 0 only.
  alarm("DEACTIVATE", "memberID: 0 alarm: NOSPACE", "");
  alarm("DEACTIVATE", "memberID: 2 alarm: NOSPACE", "alarms { memberID: 2 alarm: NOSPACE }");
  alarm("DEACTIVATE", "memberID: 2 alarm: NOSPACE", "");
  commit();
  // BKT-05: the message is the key.
  std::string stored;
  for (const auto& [key, value] : image->state->buckets[static_cast<size_t>(backend::Bucket::alarm)]) {
    etcdserverpb::AlarmMember member;
    EXPECT_TRUE(member.ParseFromString(key) && value.empty());
    stored += member.ShortDebugString() + "; ";
  }
  EXPECT_EQ(stored, "memberID: 1 alarm: NOSPACE; memberID: 1 alarm: CORRUPT; ");
  close();
  open();
  alarm("GET", "", "alarms { memberID: 1 alarm: NOSPACE } alarms { memberID: 1 alarm: CORRUPT }");
  expect(kPut, kCorrupt);
}

// MNT-03
TEST_F(Alarms, NoSpaceRefusesWhatGrows) {
  say(kPut);
  alarm("ACTIVATE", "memberID: 9 alarm: NOSPACE", "alarms { memberID: 9 alarm: NOSPACE }");
  expect(kPut, kNoSpace);
  expect("lease_grant { ID: 7 TTL: 60 }", kNoSpace);
  expect("txn { success { request_put { key: 'b' } } }", kNoSpace);
  expect("txn { failure { request_txn { success { request_put { key: 'b' } } } } }", kNoSpace);
  // The alarm goes before whatever else is wrong with the command.
  expect("put { key: 'b' lease: 99 }", kNoSpace);
  EXPECT_EQ(revision(), 2);
  expect("txn { success { request_delete_range { key: 'b' } } }",
         "header { revision: 2 } succeeded: true responses { response_delete_range { header { revision: 2 } } }");
  expect("range { key: 'b' }", "header { revision: 2 }");
  expect("delete_range { key: 'a' }", "header { revision: 3 } deleted: 1");
  expect("compaction { revision: 2 }", "header { revision: 3 }");
  alarm("DEACTIVATE", "memberID: 9 alarm: NOSPACE", "alarms { memberID: 9 alarm: NOSPACE }");
  expect(kPut, "header { revision: 4 }");
}

// MNT-03, KV-16, ERR-54, PUT-13
TEST_F(Alarms, CorruptRefusesAllThatTouchesData) {
  say("lease_grant { ID: 7 TTL: 60 }");
  alarm("ACTIVATE", "memberID: 9 alarm: NOSPACE", "alarms { memberID: 9 alarm: NOSPACE }");
  alarm("ACTIVATE", "memberID: 9 alarm: CORRUPT", "alarms { memberID: 9 alarm: CORRUPT }");
  for (const char* command :
       {"put { key: 'a' }", "range { key: 'a' }", "delete_range { key: 'a' }",
        "txn { success { request_range { key: 'a' } } }", "compaction { revision: 1 }",
        "lease_grant { ID: 8 TTL: 60 }", "lease_revoke { ID: 7 }"})
    expect(command, kCorrupt);
  expect("lease_checkpoint { checkpoints { ID: 7 remaining_TTL: 5 } }", "header { revision: 1 }");
  alarm("DEACTIVATE", "memberID: 9 alarm: CORRUPT", "alarms { memberID: 9 alarm: CORRUPT }");
  expect("put { key: 'a' }", kNoSpace);
  expect("range { key: 'a' }", "header { revision: 1 }");
}

class QuotaOf : public ApplyTest {
 protected:
  void SetUp() override {
    options.quota_backend_bytes = 20'000;
    ApplyTest::SetUp();
  }
  void fill() {
    const std::string value(1000, 'v');
    for (int i = 0; backend->size() + 400 < 20'000; ++i) {
      ASSERT_LT(i, 100);
      say("put { key: 'k" + std::to_string(i) + "' value: '" + value + "' }", false);
      commit();
    }
  }
};

// PUT-13, PUT-14, TRP-02
TEST_F(QuotaOf, TheWriteThatExceedsItIsDoneAndRefused) {
  fill();
  const int64_t before = revision();
  expect("put { key: 'big' value: '" + std::string(5000, 'v') + "' }", kNoSpace);
  EXPECT_EQ(revision(), before + 1);
  EXPECT_NE(get("big"), "(none)");
  // All members act upon it, waiter or not.
  auto result = submit(parse("txn { success { request_put { key: 'c' value: '" + std::string(5000, 'v') + "' } } }"),
                       false);
  ASSERT_NE(result, nullptr);
  EXPECT_TRUE(is(result->status, EtcdError::no_space));
  EXPECT_NE(get("c"), "(none)");
  commit();
  expect("lease_grant { ID: 7 TTL: 60 }", kNoSpace);
  EXPECT_TRUE(machine->leases().contains(LeaseId(7)));
  // Its own error goes before.
  expect("put { key: 'd' lease: 99 }", "etcdserver: requested lease not found");
  // What costs nothing has room.
  EXPECT_NE(say("txn { success { request_delete_range { key: 'big' } } }").find("deleted: 1"), std::string::npos);
}

// PUT-15, TXN-16; VD-26: nested transactions count
TEST(QuotaCost, OfCommands) {
  const auto cost_of = [](const std::string& text) { return cost(ApplyWorld::parse("txn { " + text + " }").txn()); };
  EXPECT_EQ(put_cost("key", "value"), 256 + 8);
  EXPECT_EQ(cost_of(""), 0);
  EXPECT_EQ(cost_of("success { request_delete_range { key: 'k' } }"), 0);
  EXPECT_EQ(cost_of("success { request_put { key: 'k' } } failure { request_put { key: 'kk' value: 'v' } }"), 259);
  EXPECT_EQ(cost_of("success { request_put { key: 'k' } } "
                    "success { request_txn { failure { request_put { key: 'k' } } } } failure { request_put { } }"),
            2 * 257);
  EXPECT_EQ(Quota(0).limit_bytes(), 2ll << 30);
  EXPECT_LT(Quota(-1).limit_bytes(), 0);
  EXPECT_TRUE(Quota(1000).has_room(743, 256));
  EXPECT_FALSE(Quota(1000).has_room(744, 256));
  EXPECT_TRUE(Quota(1000).has_room(5000, 0));
  EXPECT_TRUE(Quota(-1).has_room(int64_t{1} << 60, 1));
}

}  // namespace
}  // namespace holdfast::apply
