#include "lease/lessor.h"

#include "base/errors.h"
#include "gtest/gtest.h"

namespace holdfast::lease {
namespace {

using Outcome = Lessor::RenewOutcome;
using std::chrono::milliseconds;
using std::chrono::minutes;
using std::chrono::seconds;

constexpr env::Instant kStart{1'000'000'000};

std::vector<int64_t> values(const std::vector<LeaseId>& ids) {
  std::vector<int64_t> out;
  for (LeaseId id : ids) out.push_back(id.value);
  return out;
}

TEST(Lessor, Grants) {  // LEA-01, LEA-02
  Lessor lessor({.ttl_min = 2});
  auto record = lessor.grant(LeaseId(7), 100, kStart);
  ASSERT_TRUE(record.ok());
  EXPECT_EQ(*record, (LeaseRecord{LeaseId(7), 100, 0}));
  EXPECT_TRUE(is(lessor.grant(LeaseId(7), 5, kStart).status(), EtcdError::lease_exist));
  EXPECT_TRUE(is(lessor.grant(LeaseId(0), 5, kStart).status(), EtcdError::lease_not_found));
  EXPECT_TRUE(is(lessor.grant(LeaseId(8), kTtlMax + 1, kStart).status(),
                 EtcdError::lease_ttl_too_large));
  EXPECT_TRUE(lessor.grant(LeaseId(8), kTtlMax, kStart).ok());
  EXPECT_EQ(lessor.grant(LeaseId(-9), 0, kStart)->ttl, 2);  // negative ids are ids
  EXPECT_EQ(lessor.grant(LeaseId(10), -5, kStart)->ttl, 2);
  EXPECT_EQ(lessor.size(), 4u);
}

TEST(Lessor, ATooLargeTtlIsRefusedBeforeTheIdIsLookedAt) {
  Lessor lessor({});
  ASSERT_TRUE(lessor.grant(LeaseId(1), 10, kStart).ok());
  EXPECT_TRUE(is(lessor.grant(LeaseId(1), kTtlMax + 1, kStart).status(),
                 EtcdError::lease_ttl_too_large));
}

TEST(Lessor, KeysHangOnOneLease) {  // LEA-04, KV-21
  Lessor lessor({});
  ASSERT_TRUE(lessor.grant(LeaseId(1), 10, kStart).ok());
  ASSERT_TRUE(lessor.grant(LeaseId(2), 10, kStart).ok());
  EXPECT_FALSE(lessor.attach(LeaseId(3), "a"));
  for (const char* key : {"b", "a", "c", "a"}) EXPECT_TRUE(lessor.attach(LeaseId(1), key));
  EXPECT_EQ(lessor.keys_of(LeaseId(1)), (std::vector<std::string>{"a", "b", "c"}));
  EXPECT_TRUE(lessor.attach(LeaseId(2), "b"));
  EXPECT_EQ(lessor.keys_of(LeaseId(1)), (std::vector<std::string>{"a", "c"}));
  EXPECT_EQ(lessor.lease_of("b"), LeaseId(2));
  lessor.detach("a");
  lessor.detach("unknown");
  EXPECT_EQ(lessor.lease_of("a"), LeaseId(0));
  EXPECT_TRUE(lessor.is_consistent());
  EXPECT_TRUE(lessor.revoke(LeaseId(1)));
  EXPECT_FALSE(lessor.revoke(LeaseId(1)));
  EXPECT_EQ(lessor.lease_of("c"), LeaseId(0));
  EXPECT_EQ(lessor.lease_of("b"), LeaseId(2));
  EXPECT_TRUE(lessor.is_consistent());
}

TEST(Lessor, OnlyThePrimaryCountsTime) {  // LEA-11, LEA-13
  Lessor lessor({});
  ASSERT_TRUE(lessor.grant(LeaseId(1), 10, kStart).ok());
  EXPECT_EQ(lessor.status(LeaseId(1), kStart)->remaining, env::Duration::max());
  EXPECT_EQ(lessor.renew(LeaseId(1), kStart).outcome, Outcome::not_primary);
  EXPECT_TRUE(lessor.expired(kStart + seconds(1000), 100).empty());

  lessor.promote(seconds(1), kStart + seconds(1000));
  EXPECT_EQ(lessor.status(LeaseId(1), kStart + seconds(1000))->remaining, seconds(11));
  EXPECT_EQ(lessor.status(LeaseId(1), kStart + seconds(1000) + milliseconds(1))->remaining_seconds(), 10);
  EXPECT_TRUE(lessor.expired(kStart + seconds(1010), 100).empty());
  EXPECT_EQ(values(lessor.expired(kStart + seconds(1011), 100)), (std::vector<int64_t>{1}));

  lessor.demote();
  EXPECT_TRUE(lessor.expired(kStart + seconds(5000), 100).empty());
  EXPECT_EQ(lessor.renew(LeaseId(1), kStart).outcome, Outcome::not_primary);
  EXPECT_TRUE(lessor.is_consistent());
}

TEST(Lessor, RenewsAndRefusesWhatHasExpired) {  // LEA-05, LEA-06, LEA-08, TRP-27
  Lessor lessor({});
  lessor.promote(seconds(0), kStart);
  ASSERT_TRUE(lessor.grant(LeaseId(1), 10, kStart).ok());
  EXPECT_EQ(lessor.renew(LeaseId(2), kStart).outcome, Outcome::not_found);
  const auto renewal = lessor.renew(LeaseId(1), kStart + seconds(9));
  EXPECT_EQ(renewal.outcome, Outcome::renewed);
  EXPECT_EQ(renewal.ttl, 10);
  EXPECT_TRUE(lessor.expired(kStart + seconds(18), 100).empty());
  EXPECT_EQ(lessor.renew(LeaseId(1), kStart + seconds(19)).outcome, Outcome::expired);
  EXPECT_EQ(values(lessor.expired(kStart + seconds(19), 100)), (std::vector<int64_t>{1}));
  EXPECT_EQ(lessor.status(LeaseId(1), kStart + seconds(20) + milliseconds(500))->remaining_seconds(), -1);
  EXPECT_TRUE(lessor.revoke(LeaseId(1)));
  EXPECT_EQ(lessor.renew(LeaseId(1), kStart + seconds(19)).outcome, Outcome::not_found);
}

TEST(Lessor, ARenewalMayBringTheExpiryForward) {
  Lessor lessor({});
  ASSERT_TRUE(lessor.grant(LeaseId(1), 10, kStart).ok());
  lessor.promote(seconds(60), kStart);
  ASSERT_EQ(lessor.renew(LeaseId(1), kStart).outcome, Outcome::renewed);
  EXPECT_EQ(values(lessor.expired(kStart + seconds(10), 100)), (std::vector<int64_t>{1}));
}

TEST(Lessor, GivesOutWhatExpiredAgainLater) {  // LEA-14
  Lessor lessor({.expired_retry_interval = seconds(7)});
  lessor.promote(seconds(0), kStart);
  ASSERT_TRUE(lessor.grant(LeaseId(1), 5, kStart).ok());
  ASSERT_TRUE(lessor.grant(LeaseId(2), 4, kStart).ok());
  const env::Instant then = kStart + seconds(5);
  EXPECT_EQ(values(lessor.expired(then, 1)), (std::vector<int64_t>{2}));  // the oldest first
  EXPECT_EQ(values(lessor.expired(then, 9)), (std::vector<int64_t>{1}));
  EXPECT_TRUE(lessor.expired(then + seconds(6), 9).empty());
  EXPECT_EQ(lessor.expired(then + seconds(7), 9).size(), 2u);
}

TEST(Lessor, GivesOutHalfOfTheRateAtOnce) {  // LEA-14: 500 of 1000 per pass
  Lessor lessor({});
  lessor.promote(seconds(0), kStart);
  for (int64_t id = 1; id <= 1200; ++id) ASSERT_TRUE(lessor.grant(LeaseId(id), 5, kStart).ok());
  EXPECT_EQ(lessor.expired(kStart + seconds(5), 10'000).size(), 500u);
}

TEST(Lessor, PromotionSpreadsExpiries) {  // LEA-13
  Lessor lessor({.revoke_rate = 1000});
  for (int64_t id = 1; id <= 5000; ++id) ASSERT_TRUE(lessor.grant(LeaseId(id), 10, kStart).ok());
  lessor.promote(seconds(1), kStart);
  std::map<int64_t, int> per_second;
  for (int64_t id = 1; id <= 5000; ++id) {
    const int64_t left = lessor.status(LeaseId(id), kStart)->remaining_seconds();
    EXPECT_GE(left, 11);
    ++per_second[left];
  }
  for (const auto& [second, count] : per_second) EXPECT_LE(count, 751) << second;
  EXPECT_TRUE(lessor.is_consistent());
}

TEST(Lessor, FewLeasesAreNotSpread) {
  Lessor lessor({.revoke_rate = 1000});
  for (int64_t id = 1; id <= 999; ++id) ASSERT_TRUE(lessor.grant(LeaseId(id), 10, kStart).ok());
  lessor.promote(seconds(1), kStart);
  for (int64_t id = 1; id <= 999; ++id)
    EXPECT_EQ(lessor.status(LeaseId(id), kStart)->remaining, seconds(11));
}

TEST(Lessor, Checkpoints) {  // LEA-15
  Lessor lessor({.checkpoints = true, .checkpoint_interval = minutes(5)});
  lessor.promote(seconds(0), kStart);
  ASSERT_TRUE(lessor.grant(LeaseId(1), 3600, kStart).ok());
  ASSERT_TRUE(lessor.grant(LeaseId(2), 300, kStart).ok());  // not longer than the interval
  EXPECT_TRUE(lessor.checkpoints_due(kStart + minutes(5) - milliseconds(1), 10).empty());
  EXPECT_EQ(lessor.checkpoints_due(kStart + minutes(5) + milliseconds(1), 10),
            (std::vector<Checkpoint>{{LeaseId(1), 3300}}));
  EXPECT_TRUE(lessor.checkpoints_due(kStart + minutes(6), 10).empty());

  EXPECT_EQ(lessor.checkpoint(LeaseId(1), 3300, kStart + minutes(6)),
            (LeaseRecord{LeaseId(1), 3600, 3300}));
  EXPECT_FALSE(lessor.checkpoint(LeaseId(9), 1, kStart).has_value());
  EXPECT_EQ(lessor.renew(LeaseId(1), kStart + minutes(6)).outcome, Outcome::checkpointed);
  EXPECT_EQ(lessor.checkpoints_due(kStart + minutes(11), 10).size(), 1u);

  // The next primary goes on from the checkpoint.
  lessor.demote();
  lessor.promote(seconds(2), kStart + minutes(20));
  EXPECT_EQ(lessor.status(LeaseId(1), kStart + minutes(20))->remaining, seconds(3302));
  lessor.checkpoint(LeaseId(1), 0, kStart + minutes(20));
  EXPECT_EQ(lessor.renew(LeaseId(1), kStart + minutes(20)).outcome, Outcome::renewed);
  EXPECT_EQ(lessor.status(LeaseId(1), kStart + minutes(20))->remaining, seconds(3600));
}

TEST(Lessor, WithoutTheGateRenewalDoesNotAskForAReset) {
  Lessor lessor({.checkpoints = false});
  lessor.promote(seconds(0), kStart);
  ASSERT_TRUE(lessor.grant(LeaseId(1), 3600, kStart).ok());
  lessor.checkpoint(LeaseId(1), 100, kStart);
  EXPECT_EQ(lessor.renew(LeaseId(1), kStart).outcome, Outcome::renewed);
  EXPECT_TRUE(lessor.checkpoints_due(kStart + minutes(50), 10).empty());
}

TEST(Lessor, RestoresRecords) {  // LEA-16, TRP-25
  Lessor lessor({.ttl_min = 5});
  lessor.promote(seconds(0), kStart);
  ASSERT_TRUE(lessor.grant(LeaseId(99), 50, kStart).ok());
  ASSERT_TRUE(lessor.attach(LeaseId(99), "key"));
  lessor.restore({{LeaseId(1), 100, 40}, {LeaseId(2), 1, 0}});
  EXPECT_FALSE(lessor.is_primary());
  EXPECT_FALSE(lessor.contains(LeaseId(99)));
  EXPECT_EQ(lessor.lease_of("key"), LeaseId(0));
  EXPECT_EQ(lessor.status(LeaseId(2), kStart)->granted_ttl, 5);
  lessor.promote(seconds(0), kStart);
  EXPECT_EQ(lessor.status(LeaseId(1), kStart)->remaining, seconds(40));
  EXPECT_EQ(lessor.status(LeaseId(2), kStart)->remaining, seconds(5));
  EXPECT_TRUE(lessor.is_consistent());
}

TEST(Lessor, ListsByExpiry) {  // LEA-12
  Lessor lessor({});
  lessor.promote(seconds(0), kStart);
  ASSERT_TRUE(lessor.grant(LeaseId(1), 30, kStart).ok());
  ASSERT_TRUE(lessor.grant(LeaseId(2), 10, kStart).ok());
  ASSERT_TRUE(lessor.grant(LeaseId(3), 20, kStart).ok());
  EXPECT_EQ(values(lessor.list()), (std::vector<int64_t>{2, 3, 1}));
  lessor.demote();
  EXPECT_EQ(values(lessor.list()), (std::vector<int64_t>{1, 2, 3}));
}

TEST(Lessor, TheLongestTtlDoesNotOverflow) {
  Lessor lessor({});
  lessor.promote(seconds(0), kStart);
  const env::Instant late{INT64_MAX / 2};
  ASSERT_TRUE(lessor.grant(LeaseId(1), kTtlMax, late).ok());
  EXPECT_TRUE(lessor.expired(late, 10).empty());
  EXPECT_GT(lessor.status(LeaseId(1), late)->remaining_seconds(), 0);
}

TEST(LeaseRecord, HasEtcdsBytes) {  // BKT-04
  EXPECT_EQ(record_key(LeaseId(0x0102030405060708)), "\x01\x02\x03\x04\x05\x06\x07\x08");
  EXPECT_EQ(record_key(LeaseId(-1)), std::string(8, '\xff'));
  EXPECT_EQ(record_value({LeaseId(1), 300, 0}), std::string("\x08\x01\x10\xac\x02"));
  const LeaseRecord record{LeaseId(-5), 9'000'000'000, 77};
  EXPECT_EQ(parse_record(record_value(record)), record);
  EXPECT_FALSE(parse_record("\x08").has_value());
}

}  // namespace
}  // namespace holdfast::lease
