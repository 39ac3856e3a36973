// Keep-alive, time-to-live and list on the leader and on others. LEA-05 LEA-06 LEA-07 LEA-08 LEA-09 LEA-10 LEA-11 LEA-12
#include "server/lease_requests.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "server/lease_checkpointer.h"
#include "server/lease_expirer.h"
#include "test/server/lease_world.h"

namespace holdfast::server {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using testing::ElementsAre;

constexpr lease::Options kLeases{.ttl_min = 2, .checkpoints = true, .checkpoint_interval = seconds(300)};

struct LeaseRequestsTest : testing::Test {
  explicit LeaseRequestsTest(LeaseRequests::Options options = {})
      : l(w.world.owner, w.proposer, w.reader, w.member, w.metrics, w.log, options, kLeases) {}

  void grant(int64_t id, int64_t ttl) {
    ASSERT_TRUE(l.lessor.grant(LeaseId(id), ttl, w.world.clock.now()).ok());
  }
  void pass(env::Duration time) {
    // The member ticks all the while.
    for (env::Duration left = time; left.count() > 0; left -= milliseconds(100)) {
      w.world.pass(std::min<env::Duration>(left, milliseconds(100)));
      l.board.set_ticked(w.world.clock.now());
    }
  }
  struct Pending {
    std::optional<absl::StatusOr<int64_t>> answer;
  };
  std::shared_ptr<Pending> renew(int64_t id) {
    auto pending = std::make_shared<Pending>();
    l.requests.renew(w.context(), LeaseId(id),
                     [pending](absl::StatusOr<int64_t> ttl) { pending->answer = std::move(ttl); });
    w.world.run_ready();
    return pending;
  }
  struct PendingInfo {
    std::optional<absl::StatusOr<LeaseInfo>> answer;
  };
  std::shared_ptr<PendingInfo> look_up(int64_t id, LeaseKeys keys = LeaseKeys::left_out) {
    auto pending = std::make_shared<PendingInfo>();
    l.requests.time_to_live(w.context(), LeaseId(id), keys, [pending](absl::StatusOr<LeaseInfo> info) {
      pending->answer = std::move(info);
    });
    w.world.run_ready();
    return pending;
  }
  static bool failed(const std::shared_ptr<Pending>& pending, EtcdError with) {
    return pending->answer && is(pending->answer->status(), with);
  }

  V3World w;
  LeaseWorld l;
};

struct SlowLeaseRequestsTest : LeaseRequestsTest {
  SlowLeaseRequestsTest() : LeaseRequestsTest({.fast_keep_alive = false}) {}
};

TEST_F(LeaseRequestsTest, TheLeaderRenewsAtOnce) {
  grant(7, 10);
  pass(seconds(6));
  ASSERT_TRUE(l.requests.renew_at_once(w.context(), LeaseId(7)));
  EXPECT_EQ(renew(7)->answer->value(), 10);
  EXPECT_EQ(look_up(7)->answer->value().ttl, 10);
  EXPECT_EQ(w.metrics.value("etcd_debugging_lease_renewed_total{}"), 2);
}

// FG-08: a lease that isn't there may be on its way; the answer waits for what is committed.
TEST_F(LeaseRequestsTest, ALeaseThatIsNotThereIsWaitedFor) {
  l.board.set_committed(Index(5));
  EXPECT_FALSE(l.requests.renew_at_once(w.context(), LeaseId(7)));
  const auto pending = renew(7);
  EXPECT_FALSE(pending->answer);
  grant(7, 10);
  l.board.set_applied(Index(5), Term(1));
  l.applied.on_applied(Index(5), Term(1));
  w.world.run_ready();
  ASSERT_TRUE(pending->answer);
  EXPECT_EQ(pending->answer->value(), 10);
}

TEST_F(LeaseRequestsTest, WaitingForTheAppliedIndexEnds) {
  l.board.set_committed(Index(5));
  const auto renewal = renew(7);
  const auto lookup = look_up(7);
  pass(milliseconds(999));
  EXPECT_FALSE(renewal->answer);
  pass(milliseconds(1));
  EXPECT_TRUE(failed(renewal, EtcdError::timeout_wait_applied_index));
  EXPECT_TRUE(is(lookup->answer->status(), EtcdError::timeout_wait_applied_index));
}

TEST_F(LeaseRequestsTest, AnUnknownLeaseIsNotFound) {
  EXPECT_TRUE(failed(renew(7), EtcdError::lease_not_found));
  EXPECT_TRUE(is(look_up(7)->answer->status(), EtcdError::lease_not_found));
}

// VD-17
TEST_F(SlowLeaseRequestsTest, WithoutTheGateEveryRenewalWaits) {
  grant(7, 10);
  l.board.set_committed(Index(5));
  EXPECT_FALSE(l.requests.renew_at_once(w.context(), LeaseId(7)));
  const auto pending = renew(7);
  EXPECT_FALSE(pending->answer);
  l.board.set_applied(Index(5), Term(1));
  l.applied.on_applied(Index(5), Term(1));
  w.world.run_ready();
  EXPECT_EQ(pending->answer->value(), 10);
}

// TRP-27: an expired lease does not come back to life.
TEST_F(LeaseRequestsTest, AnExpiredLeaseWaitsForItsRevocation) {
  grant(7, 2);
  grant(8, 2);
  pass(seconds(3));
  const auto seven = renew(7);
  const auto eight = renew(8);
  EXPECT_FALSE(seven->answer);
  l.lessor.revoke(LeaseId(7));
  w.world.run_ready();
  EXPECT_TRUE(failed(seven, EtcdError::lease_not_found));
  EXPECT_FALSE(eight->answer);
  // The leader changes before it is revoked: whoever leads now is asked.
  l.leader.ttls.push_back(2);
  w.member.leader_id = 0xfff;
  l.follow(MemberId(0xfff));
  w.world.run_ready();
  ASSERT_TRUE(eight->answer);
  EXPECT_EQ(eight->answer->value(), 2);
  EXPECT_EQ(l.leader.asked.size(), 1u);
}

// A leader whose ticks are late asks the others whether it still is one.
TEST_F(LeaseRequestsTest, ALeaderThatWasStoppedMakesSure) {
  grant(7, 10);
  w.world.pass(milliseconds(301));  // no tick
  EXPECT_FALSE(l.requests.renew_at_once(w.context(), LeaseId(7)));
  EXPECT_EQ(renew(7)->answer->value(), 10);
  EXPECT_EQ(w.reader.reads, 1);
  w.reader.set(error(EtcdError::timeout));
  EXPECT_TRUE(failed(renew(7), EtcdError::not_primary_lessor));
  w.reader.set(absl::OkStatus());
  l.board.set_lead(MemberId(0xfff));
  EXPECT_TRUE(failed(renew(7), EtcdError::not_primary_lessor));
}

TEST_F(LeaseRequestsTest, OthersAskTheLeader) {
  l.follow(MemberId(0xfff));
  w.member.leader_id = 0xfff;
  l.leader.ttls = {absl::StatusOr<int64_t>(error(EtcdError::timeout)), 30};
  const auto pending = renew(7);
  EXPECT_FALSE(pending->answer);  // the pause after a round
  pass(milliseconds(50));
  ASSERT_TRUE(pending->answer);
  EXPECT_EQ(pending->answer->value(), 30);
  EXPECT_EQ(l.leader.asked[0].question.url, "http://p2");
  EXPECT_EQ(l.leader.asked[0].question.id, LeaseId(7));
  l.leader.infos = {LeaseInfo{20, 30, {"k"}}};
  const auto info = look_up(7, LeaseKeys::included);
  EXPECT_EQ(info->answer->value().ttl, 20);
  EXPECT_EQ(info->answer->value().granted_ttl, 30);
  EXPECT_THAT(info->answer->value().keys, ElementsAre("k"));
  l.leader.ttls = {absl::StatusOr<int64_t>(error(EtcdError::lease_not_found))};
  EXPECT_TRUE(failed(renew(7), EtcdError::lease_not_found));
}

TEST_F(LeaseRequestsTest, AskingTheLeaderEndsWithTheRequestTimeout) {
  l.follow(MemberId(0xfff));
  w.member.leader_id = 0xfff;
  const auto renewal = renew(7);
  const auto lookup = look_up(7);
  pass(seconds(7) - milliseconds(100));
  EXPECT_FALSE(renewal->answer);
  EXPECT_FALSE(lookup->answer);
  pass(milliseconds(200));
  EXPECT_TRUE(failed(renewal, EtcdError::timeout));
  EXPECT_TRUE(is(lookup->answer->status(), EtcdError::timeout));
}

TEST_F(LeaseRequestsTest, WithoutALeaderAnElectionIsWaitedFor) {
  l.follow(MemberId(0));
  w.member.leader_id = 0;
  const auto first = renew(7);
  pass(seconds(2));
  EXPECT_FALSE(first->answer);
  l.leader.ttls.push_back(9);
  w.member.leader_id = 0xfff;
  pass(seconds(1));
  EXPECT_EQ(first->answer->value(), 9);
  w.member.leader_id = 0;
  const auto second = renew(7);
  pass(seconds(8));
  EXPECT_TRUE(failed(second, EtcdError::no_leader));
}

TEST_F(LeaseRequestsTest, AMemberThatIsElectedMeanwhileAnswersItself) {
  grant(7, 10);
  l.follow(MemberId(0));
  w.member.leader_id = 0;
  const auto pending = renew(7);
  w.member.leader_id = 0xabc;
  l.lead(w.world.clock.now());
  pass(seconds(1));
  EXPECT_EQ(pending->answer->value(), 10);
  EXPECT_TRUE(l.leader.asked.empty());
}

// LEA-11: nobody may be told the time of a lessor that has none.
TEST_F(LeaseRequestsTest, ADemotedLessorDoesNotTellTheTime) {
  grant(7, 10);
  l.lessor.demote();
  EXPECT_TRUE(is(look_up(7)->answer->status(), EtcdError::leader_changed));
  absl::Status for_peer;
  l.requests.time_to_live_for_peer(w.world.owner, LeaseId(7), LeaseKeys::left_out,
                                   [&](absl::StatusOr<LeaseInfo> info) { for_peer = info.status(); });
  w.world.run_ready();
  EXPECT_TRUE(is(for_peer, EtcdError::not_primary_lessor));
}

TEST_F(LeaseRequestsTest, APeerGetsNoForwarding) {
  grant(7, 10);
  std::vector<absl::StatusOr<int64_t>> answers;
  const auto ask = [&](int64_t id) {
    l.requests.renew_for_peer(w.world.owner, LeaseId(id),
                              [&](absl::StatusOr<int64_t> ttl) { answers.push_back(std::move(ttl)); });
    w.world.run_ready();
  };
  ask(7);
  ask(8);
  l.follow(MemberId(0xfff));
  ask(7);
  ASSERT_EQ(answers.size(), 3u);
  EXPECT_EQ(answers[0].value(), 10);
  EXPECT_TRUE(is(answers[1].status(), EtcdError::lease_not_found));
  EXPECT_TRUE(is(answers[2].status(), EtcdError::not_primary_lessor));
  EXPECT_TRUE(l.leader.asked.empty());
}

// LEA-15, LEA-08: a renewal takes a checkpoint back through the log first.
TEST_F(LeaseRequestsTest, ACheckpointIsResetBeforeARenewal) {
  grant(7, 1000);
  l.lessor.with([&](lease::Lessor& lessor) { lessor.checkpoint(LeaseId(7), 600, w.world.clock.now()); });
  EXPECT_EQ(renew(7)->answer->value(), 1000);
  ASSERT_EQ(w.proposer.seen().size(), 1u);
  EXPECT_EQ(w.proposer.seen()[0].command, Command::lease_checkpoint);
  EXPECT_EQ(w.proposer.seen()[0].request, std::string("\x0a\x02\x08\x07", 4));
}

// VD-10: revoked between a renewal's first look and its last, the lease isn't told to live.
TEST_F(LeaseRequestsTest, ALeaseRevokedDuringItsRenewalIsNotFound) {
  grant(7, 1000);
  l.lessor.with([&](lease::Lessor& lessor) { lessor.checkpoint(LeaseId(7), 600, w.world.clock.now()); });
  std::optional<absl::StatusOr<int64_t>> answer;
  l.requests.renew(w.context(), LeaseId(7), [&](absl::StatusOr<int64_t> ttl) { answer = std::move(ttl); });
  while (w.proposer.seen().empty() && w.world.owner.run_one()) {
  }
  ASSERT_EQ(w.proposer.seen().size(), 1u) << "the checkpoint is on its way";
  ASSERT_FALSE(answer);
  ASSERT_TRUE(l.lessor.revoke(LeaseId(7)));
  w.world.run_ready();
  ASSERT_TRUE(answer);
  EXPECT_TRUE(is(answer->status(), EtcdError::lease_not_found));
  EXPECT_FALSE(l.lessor.contains(LeaseId(7)));
}

TEST_F(LeaseRequestsTest, TheListIsByExpiry) {
  grant(1, 300);
  grant(2, 100);
  grant(3, 200);
  EXPECT_THAT(*l.requests.list(w.context()), ElementsAre(LeaseId(2), LeaseId(3), LeaseId(1)));
}

// LEA-09, LEA-11, LEA-12.
TEST_F(LeaseRequestsTest, KeysThatOneMayNotTouchProtectTheirLease) {
  grant(1, 300);
  grant(2, 300);
  l.lessor.attach(LeaseId(2), "secret");
  l.access.admin = error(EtcdError::permission_denied);
  l.access.forbidden = "secret";
  EXPECT_EQ(renew(1)->answer->value(), 300);
  EXPECT_TRUE(failed(renew(2), EtcdError::permission_denied));
  EXPECT_TRUE(look_up(2)->answer->ok());
  EXPECT_TRUE(is(look_up(2, LeaseKeys::included)->answer->status(), EtcdError::permission_denied));
  EXPECT_TRUE(is(l.requests.list(w.context()).status(), EtcdError::permission_denied));
  l.access.user = error(EtcdError::user_empty);
  EXPECT_TRUE(failed(renew(1), EtcdError::user_empty));
  EXPECT_TRUE(is(look_up(1)->answer->status(), EtcdError::user_empty));
}

// --- chores ---

// LEA-14: sixteen at a time, and none while leadership is unsure.
TEST_F(LeaseRequestsTest, ExpiredLeasesAreRevokedByTheLeaderOnly) {
  LeaseExpirer expirer(w.world.owner, l.lessor, l.leadership, w.proposer, w.log, w.metrics, seconds(1));
  for (int64_t id = 1; id <= 40; ++id) grant(id, 2);
  expirer.start();
  pass(seconds(1));
  EXPECT_TRUE(w.proposer.seen().empty());
  w.reader.set(error(EtcdError::timeout));
  w.world.pass(seconds(2));  // no ticks
  EXPECT_TRUE(w.proposer.seen().empty());
  EXPECT_GT(w.reader.reads, 0);
  w.reader.set(absl::OkStatus());
  pass(seconds(4));
  size_t revokes = 0;
  // The next leader may have renewed them: what this one found expired is not for it to carry out.
  for (const auto& proposal : w.proposer.seen())
    revokes += proposal.command == Command::lease_revoke && proposal.only_as_leader;
  EXPECT_EQ(revokes, 40u);
  expirer.stop();
  w.world.run_ready();
  EXPECT_FALSE(l.lessor.with([](const lease::Lessor& lessor) { return lessor.is_primary(); }));
}

TEST_F(LeaseRequestsTest, LongLeasesAreCheckpointed) {
  LeaseCheckpointer checkpointer({w.world.owner, l.lessor, l.leadership, w.proposer, w.log});
  grant(7, 1000);
  grant(8, 100);  // too short to be worth it
  checkpointer.start();
  pass(seconds(299));
  EXPECT_TRUE(w.proposer.seen().empty());
  pass(seconds(2));
  ASSERT_EQ(w.proposer.seen().size(), 1u);
  EXPECT_EQ(w.proposer.seen()[0].command, Command::lease_checkpoint);
  EXPECT_TRUE(w.proposer.seen()[0].only_as_leader);
  // {ID: 7, remaining_TTL: 700}
  EXPECT_EQ(w.proposer.seen()[0].request, std::string("\x0a\x05\x08\x07\x10\xbc\x05", 7));
  checkpointer.stop();
  w.world.run_ready();
}

}  // namespace
}  // namespace holdfast::server
