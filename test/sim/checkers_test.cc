// The small checkers: what they must let pass and what they must find.
#include <vector>

#include "gtest/gtest.h"
#include "sim/acknowledged_writes.h"
#include "sim/lease_checker.h"
#include "sim/queue_bounds.h"
#include "sim/state_digests.h"
#include "sim/watch_checker.h"

namespace holdfast::sim {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

// --- acknowledged writes ---

HistoryEntry acknowledged_put(std::string key, std::string value, int64_t revision) {
  HistoryEntry entry;
  entry.op.kind = KvKind::put;
  entry.op.key = std::move(key);
  entry.op.value = std::move(value);
  entry.outcome = Outcome::ok;
  entry.result.revision = revision;
  return entry;
}

TEST(AcknowledgedWrites, WhatIsThereIsThere) {
  const History history = {acknowledged_put("a", "1", 2), acknowledged_put("a", "2", 3),
                           acknowledged_put("b", "3", 4)};
  EXPECT_TRUE(check_acknowledged(history, {{"a", "2", 2, 3, 2}, {"b", "3", 4, 4, 1}}, 4).holds());
}

TEST(AcknowledgedWrites, AnEarlierEndIsALoss) {
  const History history = {acknowledged_put("a", "1", 2), acknowledged_put("b", "3", 3)};
  EXPECT_TRUE(check_acknowledged(history, {{"a", "1", 2, 2, 1}}, 2).violated());
}

TEST(AcknowledgedWrites, AnOlderVersionIsALoss) {
  const History history = {acknowledged_put("a", "1", 2), acknowledged_put("a", "2", 3)};
  EXPECT_TRUE(check_acknowledged(history, {{"a", "1", 2, 2, 1}}, 3).violated());
}

TEST(AcknowledgedWrites, AnotherValueIsALoss) {
  const History history = {acknowledged_put("a", "1", 2)};
  EXPECT_TRUE(check_acknowledged(history, {{"a", "x", 2, 2, 1}}, 2).violated());
}

TEST(AcknowledgedWrites, ADeletedKeyStaysDeleted) {
  HistoryEntry erased = acknowledged_put("a", "", 3);
  erased.op.kind = KvKind::delete_range;
  erased.result.count = 1;
  const History history = {acknowledged_put("a", "1", 2), erased};
  EXPECT_TRUE(check_acknowledged(history, {}, 3).holds());
  EXPECT_TRUE(check_acknowledged(history, {{"a", "1", 2, 2, 1}}, 3).violated());
}

TEST(AcknowledgedWrites, ATransactionsChangesCount) {
  HistoryEntry txn;
  txn.op.kind = KvKind::txn;
  KvOp child;
  child.kind = KvKind::put;
  child.key = "a";
  child.value = "2";
  txn.op.then_ops = {child};
  txn.outcome = Outcome::ok;
  txn.result.revision = 3;
  txn.result.succeeded = true;
  txn.result.children = {KvResult{}};
  EXPECT_TRUE(check_acknowledged({txn}, {{"a", "2", 2, 3, 2}}, 3).holds());
  EXPECT_TRUE(check_acknowledged({txn}, {{"a", "1", 2, 2, 1}}, 3).violated());
}

// --- digests ---

TEST(StateDigests, EqualOnesPass) {
  StateDigests digests;
  EXPECT_TRUE(digests.add(MemberId(1), 5, 2, 77).holds());
  EXPECT_TRUE(digests.add(MemberId(2), 5, 2, 77).holds());
  EXPECT_TRUE(digests.add(MemberId(2), 5, 3, 78).holds()) << "another compaction, another hash";
  EXPECT_TRUE(digests.add_applied(MemberId(1), Index(9), 5).holds());
  EXPECT_TRUE(digests.add_applied(MemberId(3), Index(9), 5).holds());
  EXPECT_EQ(digests.compared(), 2u);
}

TEST(StateDigests, DifferentOnesAreFound) {
  StateDigests digests;
  EXPECT_TRUE(digests.add(MemberId(1), 5, 2, 77).holds());
  EXPECT_TRUE(digests.add(MemberId(2), 5, 2, 76).violated());
  EXPECT_TRUE(digests.add_applied(MemberId(1), Index(9), 5).holds());
  EXPECT_TRUE(digests.add_applied(MemberId(2), Index(9), 6).violated());
}

TEST(StateDigests, AMemberMustAgreeWithItselfAfterARestart) {
  StateDigests digests;
  EXPECT_TRUE(digests.add(MemberId(1), 5, 2, 77).holds());
  EXPECT_TRUE(digests.add(MemberId(1), 5, 2, 77).holds());
  EXPECT_TRUE(digests.add(MemberId(1), 5, 2, 78).violated());
}

// --- watch ---

using Type = WatchEvent::Type;

const std::vector<WatchEvent> kTruth = {
    {Type::put, "a", "1", 2, 0}, {Type::put, "b", "2", 3, 0},   {Type::put, "a", "3", 4, 0},
    {Type::erase, "b", "", 4, 1}, {Type::erase, "a", "", 5, 0}, {Type::put, "c", "4", 6, 0},
};

WatchRecord watch_all(int64_t start, std::vector<WatchRecord::Response> responses, int64_t complete_to) {
  return {"a", std::string(1, '\0'), start, std::move(responses), complete_to};
}

WatchRecord::Response events(size_t from, size_t to) {
  return {{kTruth.begin() + static_cast<long>(from), kTruth.begin() + static_cast<long>(to)}, 0, 0};
}

TEST(WatchChecker, AllInOrder) {
  EXPECT_TRUE(check_watch(watch_all(1, {events(0, 2), events(2, 4), events(4, 6)}, 6), kTruth).holds());
  EXPECT_TRUE(check_watch(watch_all(3, {events(1, 6)}, 6), kTruth).holds());
  WatchRecord one{"a", "", 1, {}, 6};
  one.responses = {{{kTruth[0], kTruth[2]}, 0, 0}, {{kTruth[4]}, 6, 0}};
  EXPECT_TRUE(check_watch(one, kTruth).holds());
}

TEST(WatchChecker, WhatGoesWrongIsFound) {
  EXPECT_TRUE(check_watch(watch_all(1, {events(0, 2), events(4, 6)}, 6), kTruth).violated()) << "a gap";
  EXPECT_TRUE(check_watch(watch_all(1, {events(0, 2), events(1, 6)}, 6), kTruth).violated()) << "twice";
  EXPECT_TRUE(check_watch(watch_all(1, {events(0, 3), events(3, 6)}, 6), kTruth).violated()) << "torn";
  EXPECT_TRUE(check_watch(watch_all(1, {events(0, 5)}, 6), kTruth).violated()) << "never delivered";
  EXPECT_TRUE(check_watch(watch_all(3, {events(0, 6)}, 6), kTruth).violated()) << "before its start";
  WatchRecord order = watch_all(1, {{{kTruth[1], kTruth[0]}, 0, 0}}, 0);
  EXPECT_TRUE(check_watch(order, kTruth).violated()) << "order";
  WatchRecord value = watch_all(1, {events(0, 1)}, 0);
  value.responses[0].events[0].value = "x";
  EXPECT_TRUE(check_watch(value, kTruth).violated()) << "value";
  WatchRecord more = watch_all(1, {events(0, 6), {{{Type::put, "z", "", 7, 0}}, 0, 0}}, 0);
  EXPECT_TRUE(check_watch(more, kTruth).violated()) << "never happened";
}

TEST(WatchChecker, ProgressPromises) {
  WatchRecord good = watch_all(1, {events(0, 2), {{}, 3, 0}, events(2, 6)}, 6);
  EXPECT_TRUE(check_watch(good, kTruth).holds());
  WatchRecord early = watch_all(1, {events(0, 2), {{}, 4, 0}, events(2, 6)}, 6);
  EXPECT_TRUE(check_watch(early, kTruth).violated());
}

TEST(WatchChecker, CompactedStart) {
  EXPECT_TRUE(check_watch(watch_all(2, {{{}, 0, 5}}, 6), kTruth).holds());
  EXPECT_TRUE(check_watch(watch_all(5, {{{}, 0, 5}}, 6), kTruth).violated()) << "5 is still there";
}

// --- leases ---

LeaseRecord lease_of(std::vector<LeaseRecord::Renewal> renewals) {
  LeaseRecord lease;
  lease.id = 1;
  lease.renewals = std::move(renewals);
  return lease;
}

env::Instant at_seconds(int64_t s) { return env::Instant{s * 1'000'000'000}; }

TEST(LeaseChecker, NeverEarly) {
  LeaseRecord lease = lease_of({{at_seconds(1), at_seconds(2), 10}});
  lease.watched_until = at_seconds(60);
  lease.seen_gone = at_seconds(12);
  EXPECT_TRUE(check_lease(lease, {}).holds());
  lease.seen_gone = at_seconds(10);
  EXPECT_TRUE(check_lease(lease, {}).violated());
  EXPECT_TRUE(check_lease(lease, {.clock_fast_ppm = 200'000}).holds()) << "a clock that fast may be right";
  lease.revoked_by_client = at_seconds(5);
  EXPECT_TRUE(check_lease(lease, {}).holds());
}

TEST(LeaseChecker, AKeepAliveCountsFromItsQuestion) {
  LeaseRecord lease = lease_of({{at_seconds(1), at_seconds(1), 10}, {at_seconds(8), at_seconds(9), 10}});
  lease.seen_gone = at_seconds(17);
  EXPECT_TRUE(check_lease(lease, {}).violated());
  lease.seen_gone = at_seconds(18);
  EXPECT_TRUE(check_lease(lease, {}).holds());
}

TEST(LeaseChecker, TheDeadDontComeBack) {
  LeaseRecord lease = lease_of({{at_seconds(1), at_seconds(1), 2}, {at_seconds(9), at_seconds(9), 2}});
  lease.seen_gone = at_seconds(5);
  EXPECT_TRUE(check_lease(lease, {}).violated());
}

TEST(LeaseChecker, TheyEndAtLast) {
  LeaseRecord lease = lease_of({{at_seconds(1), at_seconds(2), 10}});
  lease.watched_until = at_seconds(100);
  EXPECT_TRUE(check_lease(lease, {}).holds()) << "not asked for";
  EXPECT_TRUE(check_lease(lease, {.late_max = seconds(30)}).violated());
  lease.watched_until = at_seconds(20);
  EXPECT_TRUE(check_lease(lease, {.late_max = seconds(30)}).holds());
}

// --- queues ---

TEST(QueueBounds, OneTooManyIsFound) {
  EXPECT_TRUE(check_queues("m0", kExecutorQueueMax).holds());
  EXPECT_TRUE(check_queues("m0", kExecutorQueueMax + 1).violated());
}

}  // namespace
}  // namespace holdfast::sim
