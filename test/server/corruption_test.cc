#include "server/corruption.h"

#include "base/errors.h"
#include "gtest/gtest.h"
#include "server/corruption_monitor.h"
#include "test/manual_executor.h"
#include "test/server/cluster_world.h"

namespace holdfast::server {
namespace {

using mvcc::HashResult;

HashResult hash(uint32_t value, int64_t compacted, int64_t at, int64_t current = 0) {
  return {value, Revision(compacted), Revision(at), Revision(current == 0 ? at : current)};
}

std::vector<MemberId> ids(std::initializer_list<uint64_t> values) {
  std::vector<MemberId> ids;
  for (uint64_t value : values) ids.emplace_back(value);
  return ids;
}

// OPS-14
TEST(MembersThatDiffer, AreComparedOnlyAfterTheSameCompaction) {
  const std::vector<PeerHash> others = {{MemberId(2), hash(7, 3, 10)},
                                        {MemberId(3), hash(8, 3, 10)},
                                        {MemberId(4), hash(9, 4, 10)},
                                        {MemberId(5), error(EtcdError::compacted)}};
  EXPECT_EQ(members_that_differ(hash(7, 3, 10), others), ids({3}));
  EXPECT_EQ(members_that_differ(hash(7, 3, 10), {}), ids({}));
}

// OPS-14
TEST(MembersOffTheLog, AreAheadOrDifferOrTheLeaderItself) {
  const HashResult before = hash(7, 3, 10), after = hash(11, 4, 12);
  const auto off = [&](MemberId id, const HashResult& other) {
    return members_off_the_log(MemberId(1), before, after, {{id, other}});
  };
  EXPECT_EQ(off(MemberId(2), hash(7, 3, 10, 12)), ids({}));
  EXPECT_EQ(off(MemberId(2), hash(8, 3, 10)), ids({2}));
  EXPECT_EQ(off(MemberId(2), hash(8, 4, 10)), ids({})) << "compacted meanwhile: can't be compared";
  EXPECT_EQ(off(MemberId(2), hash(7, 3, 10, 13)), ids({2})) << "ahead of the leader";
  EXPECT_EQ(off(MemberId(2), hash(7, 5, 10)), ids({2})) << "compacted further than the leader";
  EXPECT_EQ(members_off_the_log(MemberId(1), before, hash(8, 3, 10), {}), ids({1}))
      << "the leader's own data changed";
  EXPECT_EQ(members_off_the_log(MemberId(1), before, hash(8, 4, 10), {}), ids({}));
}

// OPS-14
TEST(Judge, TheMajorityIsRight) {
  using Kind = CompactionVerdict::Kind;
  const mvcc::CompactionHash own{7, Revision(3), Revision(10)};
  const auto verdict = [&](std::vector<PeerHash> others) { return judge(MemberId(1), own, others); };
  const PeerHash same{MemberId(2), hash(7, 3, 10)}, other{MemberId(3), hash(8, 3, 10)},
      third{MemberId(4), hash(9, 3, 10)}, elsewhere{MemberId(5), hash(8, 2, 10)},
      silent{MemberId(6), absl::UnavailableError("")};
  EXPECT_EQ(verdict({same}).kind, Kind::equal);
  EXPECT_EQ(verdict({same, elsewhere}).kind, Kind::incomplete);
  EXPECT_EQ(verdict({same, silent}).kind, Kind::incomplete);
  EXPECT_EQ(verdict({same, silent}).compared, 1U);

  EXPECT_EQ(verdict({same, other}).kind, Kind::different);
  EXPECT_EQ(verdict({same, other}).corrupt, ids({3}));
  EXPECT_EQ(verdict({other}).corrupt, ids({0})) << "one against one: nobody knows who is right";
  EXPECT_EQ(verdict({other, third}).corrupt, ids({0}));
  PeerHash also{MemberId(2), hash(8, 3, 10)};
  EXPECT_EQ(verdict({also, other}).corrupt, ids({1})) << "the leader may be the one";
  EXPECT_EQ(verdict({also, other, silent, silent}).corrupt, ids({0})) << "two of five are no majority";
}

struct MonitorWorld {
  explicit MonitorWorld(CorruptionChecks checks)
      : monitor({executor, v3.member, v3.member, v3.proposer, v3.reader, &remote, v3.log}, checks,
                std::chrono::seconds(7)) {
    v3.put("a", "1");
    v3.put("a", "2");
  }
  HashResult own(int64_t revision = 0) const { return *v3.member.store_now->hash_kv(Revision(revision)); }
  void compact(int64_t revision) {
    ASSERT_TRUE(v3.member.store_now->compact(Revision(revision), {}).ok());
    v3.world.pass(std::chrono::seconds(1));
  }
  void pass(env::Duration time) {
    clock.advance(time);
    executor.run();
  }

  V3World v3;
  ManualClock clock;
  ManualExecutor executor{clock};
  FakeRemote remote;
  CorruptionMonitor monitor;
};

constexpr auto kInterval = std::chrono::seconds(10);

// OPS-14
TEST(CorruptionMonitorTest, AMemberWithOtherDataDoesNotStart) {
  MonitorWorld w({.initial = true});
  const auto check = [&] {
    absl::Status result = absl::UnknownError("not told");
    w.monitor.check_initially([&](absl::Status status) { result = std::move(status); });
    w.executor.run();
    return result;
  };
  EXPECT_TRUE(check().ok()) << "nobody can be asked";
  w.remote.hashes["http://p2"] = w.own();
  EXPECT_TRUE(check().ok());
  w.remote.hashes["http://p2"]->hash ^= 1;
  EXPECT_EQ(message(check()), "abc found data inconsistency with peers");
}

// OPS-14
TEST(CorruptionMonitorTest, TheLeaderRaisesAnAlarmForAMemberThatDiffers) {
  MonitorWorld w({.interval = kInterval});
  w.remote.hashes["http://p2"] = w.own();
  w.monitor.start();
  w.executor.run();
  w.pass(kInterval);
  EXPECT_EQ(w.remote.asked.size(), 1U);
  EXPECT_TRUE(w.v3.member.alarms_now.empty());

  w.remote.hashes["http://p2"]->hash ^= 1;
  w.v3.member.leader_id = 0xfff;
  w.pass(kInterval);
  EXPECT_TRUE(w.v3.member.alarms_now.empty()) << "another leads";
  w.v3.member.leader_id = 0xabc;
  w.v3.reader.set(error(EtcdError::timeout));
  w.pass(kInterval);
  EXPECT_TRUE(w.v3.member.alarms_now.empty()) << "perhaps the leader of an older term, who is behind";
  w.v3.reader.set(absl::OkStatus());
  w.pass(kInterval);
  ASSERT_EQ(w.v3.member.alarms_now.size(), 1U);
  EXPECT_EQ(w.v3.member.alarms_now[0], (apply::Alarm{MemberId(0xfff), apply::AlarmType::corrupt}));

  w.monitor.stop();
  w.executor.run();
  EXPECT_EQ(w.executor.timers(), 0U);
}

// OPS-14
TEST(CorruptionMonitorTest, CompactionsAreComparedOnce) {
  MonitorWorld w({.compactions = true, .compaction_interval = kInterval});
  w.compact(2);
  const auto hashes = w.v3.member.store_now->compaction_hashes();
  ASSERT_EQ(hashes.size(), 1U);
  w.monitor.start();
  w.executor.run();
  w.pass(kInterval);
  EXPECT_EQ(w.remote.asked.size(), 1U) << "nobody there: it is tried again";
  w.remote.hashes["http://p2"] = w.own(2);
  w.pass(kInterval);
  w.pass(kInterval);
  EXPECT_EQ(w.remote.asked.size(), 2U) << "known to be equal";
  EXPECT_TRUE(w.v3.member.alarms_now.empty());

  w.compact(3);
  w.remote.hashes["http://p2"] = w.own(3);
  w.remote.hashes["http://p2"]->hash ^= 1;
  w.pass(kInterval);
  ASSERT_EQ(w.v3.member.alarms_now.size(), 1U);
  EXPECT_EQ(w.v3.member.alarms_now[0], (apply::Alarm{MemberId(0), apply::AlarmType::corrupt}))
      << "one against one";
}

}  // namespace
}  // namespace holdfast::server
