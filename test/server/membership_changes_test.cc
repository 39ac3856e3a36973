#include "server/membership_changes.h"

#include <optional>

#include "gtest/gtest.h"
#include "test/server/cluster_world.h"

namespace holdfast::server {
namespace {

using std::chrono::seconds;

constexpr MemberId kSelf{0xabc}, kLearner{0xfff}, kTwo{0x2}, kThree{0x3};

struct MembershipChangesTest : ::testing::Test {
  MembershipChangesTest() {
    w.world.clock.set(100'000'000'000);
    cluster.emplace(w, w.world.owner, w.world.clock);
  }
  // Voters besides this one; started, and connected since the beginning.
  void add_voter(MemberId id, bool connected = true) {
    auto members = std::make_shared<membership::Cluster>(*w.member.cluster_now);
    membership::RecordChanges records;
    members->add({.id = id, .peer_urls = {"http://voter" + hex_id(id.value) + ":1"}, .name = "v" + hex_id(id.value)}, records);
    w.member.cluster_now = members;
    if (connected) cluster->peers.active[id] = env::Instant{1};
  }
  MembershipChanges::MembersDone note() {
    answer.reset();
    return [this](absl::StatusOr<MembershipChanges::Members> members) {
      ASSERT_FALSE(answer) << "answered twice";
      answer = members.status();
      if (members.ok()) listed = *std::move(members);
    };
  }
  absl::Status add(const std::vector<std::string>& urls,
                   MembershipChanges::Role role = MembershipChanges::Role::voter) {
    answer.reset();
    cluster->membership.add(w.context(), urls, role, [this](absl::StatusOr<MembershipChanges::Added> result) {
      answer = result.status();
      if (result.ok()) added = *std::move(result);
    });
    return wait();
  }
  absl::Status remove(MemberId id) {
    cluster->membership.remove(w.context(), id, note());
    return wait();
  }
  absl::Status promote(MemberId id, std::string token = "") {
    cluster->membership.promote(w.context(), id, std::move(token), note());
    return wait();
  }
  absl::Status wait(env::Duration time = {}) {
    w.world.pass(time);
    if (!answer) return absl::InternalError("no answer");
    return *answer;
  }
  const std::vector<raft::ConfChange>& changes() { return cluster->conf_changes.changes; }

  V3World w;
  std::optional<ClusterWorld> cluster;
  std::optional<absl::Status> answer;
  std::vector<membership::Member> listed;
  MembershipChanges::Added added;
};

// CLU-01, MEM-04, MEM-05
TEST_F(MembershipChangesTest, AddsUnderAnIdOfUrlsAndTime) {
  ASSERT_TRUE(remove(kLearner).ok());
  ASSERT_TRUE(add({"http://learner:1"}, MembershipChanges::Role::learner).ok());
  EXPECT_EQ(changes().back().type, raft::ConfChangeType::add_learner_node);
  EXPECT_TRUE(added.member.is_learner);
  ASSERT_TRUE(add({"http://new:1", "http://new:2"}).ok());
  EXPECT_EQ(added.member.id, membership::member_id({"http://new:1", "http://new:2"}, "", 100));
  EXPECT_EQ(added.members.size(), 3u);
  EXPECT_EQ(changes().back().type, raft::ConfChangeType::add_node);
  EXPECT_EQ(changes().back().context.view(), membership::to_json(added.member));
  EXPECT_TRUE(is(add({"ftp://x"}), EtcdError::member_bad_urls));
  EXPECT_TRUE(is(add({}), EtcdError::member_bad_urls));
}

// CLU-05
TEST_F(MembershipChangesTest, WhatApplyRefusesIsTheAnswer) {
  add_voter(kTwo);
  EXPECT_TRUE(is(add({"http://voter2:1"}), EtcdError::peer_url_exist));
  EXPECT_TRUE(is(add({"http://new:1"}, MembershipChanges::Role::learner), EtcdError::too_many_learners));
  EXPECT_TRUE(is(remove(MemberId(0x123)), EtcdError::member_not_found));
  ASSERT_TRUE(remove(kLearner).ok());
  EXPECT_TRUE(is(remove(kLearner), EtcdError::member_not_found));
  cluster->membership.update(w.context(), MemberId(0x9), {"http://x"}, note());
  EXPECT_TRUE(is(wait(), EtcdError::member_not_found));
  cluster->membership.update(w.context(), kSelf, {"http://elsewhere"}, note());
  ASSERT_TRUE(wait().ok());
  EXPECT_EQ(w.member.cluster_now->find(kSelf)->peer_urls, (std::vector<std::string>{"http://elsewhere"}));
}

// CLU-03, OPS-07, TRP-49
TEST_F(MembershipChangesTest, AddingNeedsAQuorumThatIsStarted) {
  add_voter(kTwo);
  auto members = std::make_shared<membership::Cluster>(*w.member.cluster_now);
  membership::RecordChanges records;
  members->add({.id = kThree, .peer_urls = {"http://three"}}, records);  // added, not yet started
  w.member.cluster_now = members;
  cluster->peers.active[kThree] = env::Instant{1};
  EXPECT_TRUE(is(add({"http://new:1"}), EtcdError::member_not_enough_started));
  EXPECT_TRUE(changes().empty());
}

// CLU-04
TEST_F(MembershipChangesTest, AddingNeedsAQuorumThatIsConnected) {
  add_voter(kTwo, /*connected=*/false);
  EXPECT_TRUE(is(add({"http://new:1"}), EtcdError::unhealthy));
  // Just connected is not enough: five seconds are.
  cluster->peers.active[kTwo] = w.world.clock.now();
  w.world.pass(seconds(5));
  EXPECT_TRUE(is(add({"http://new:1"}), EtcdError::unhealthy));
  w.world.pass(seconds(1));
  EXPECT_TRUE(add({"http://new:1"}).ok());
}

// VD-14: with one down, as long as the new member would not be one too many.
TEST_F(MembershipChangesTest, AddingGoesOnWithOneMemberDown) {
  add_voter(kTwo);
  add_voter(kThree, /*connected=*/false);
  EXPECT_TRUE(is(add({"http://new:1"}), EtcdError::unhealthy)) << "two of three, and three of four are needed then";
  add_voter(MemberId(0x4));
  EXPECT_TRUE(add({"http://new:1"}).ok()) << "three of four, and three of five are needed then";
}

// CLU-06, OPS-07
TEST_F(MembershipChangesTest, RemovingLeavesAQuorumThatIsConnected) {
  add_voter(kTwo);
  add_voter(kThree);
  cluster->peers.active[kTwo] = env::Instant{};
  EXPECT_TRUE(is(remove(kThree), EtcdError::unhealthy)) << "with two down already";
  ASSERT_TRUE(remove(kTwo).ok()) << "who is down is no loss";
  EXPECT_EQ(listed.size(), 3u);
  ASSERT_TRUE(remove(kLearner).ok());
  EXPECT_EQ(listed.size(), 2u);
}

TEST_F(MembershipChangesTest, WithoutTheCheckAnythingGoes) {
  cluster.emplace(w, w.world.owner, w.world.clock,
                  MembershipChanges::Options{.strict_reconfig_check = false,
                                             .request_timeout = seconds(7),
                                             .election_timeout = seconds(1)});
  add_voter(kTwo, /*connected=*/false);
  EXPECT_TRUE(add({"http://new:1"}).ok());
  EXPECT_TRUE(remove(kSelf).ok());
}

// CLU-09, OPS-08, MEM-04
TEST_F(MembershipChangesTest, PromotesALearnerThatHasCaughtUp) {
  cluster->raft.matches[kLearner] = Index(89);
  EXPECT_TRUE(is(promote(kLearner), EtcdError::learner_not_ready));
  EXPECT_TRUE(is(promote(MemberId(0x99)), EtcdError::member_not_found));
  EXPECT_TRUE(changes().empty());
  cluster->raft.matches[kLearner] = Index(90);
  ASSERT_TRUE(promote(kLearner).ok());
  EXPECT_FALSE(w.member.cluster_now->find(kLearner)->is_learner);
  EXPECT_EQ(changes().back().type, raft::ConfChangeType::add_node);
  EXPECT_EQ(changes().back().context.view(), "{\"id\":4095,\"peerURLs\":null,\"isPromote\":true}");
  EXPECT_TRUE(is(promote(kLearner), EtcdError::member_not_learner));
}

// FWD-01, TRP-50
TEST_F(MembershipChangesTest, AFollowerAsksTheLeaderWithTheCallersToken) {
  add_voter(kTwo);
  w.member.leader_id = kTwo.value;
  cluster->remote.promotions.insert_or_assign("http://voter2:1",
                                              std::vector<membership::Member>{{.id = kLearner, .peer_urls = {"http://p2"}}});
  ASSERT_TRUE(promote(kLearner, "a token").ok());
  EXPECT_EQ(listed.size(), 1u) << "the leader's list";
  EXPECT_EQ(cluster->remote.promoted.back(), std::pair(kLearner, std::string("a token")));
  for (const EtcdError refused :
       {EtcdError::learner_not_ready, EtcdError::member_not_found, EtcdError::member_not_learner}) {
    cluster->remote.promotions.insert_or_assign("http://voter2:1", error(refused));
    EXPECT_TRUE(is(promote(kLearner), refused));
  }
}

// FWD-02
TEST_F(MembershipChangesTest, AFollowerTriesUntilTheTimeIsOver) {
  add_voter(kTwo);
  w.member.leader_id = kTwo.value;
  cluster->membership.promote(w.context(), kLearner, "", note());
  w.world.pass(seconds(6));
  EXPECT_FALSE(answer);
  EXPECT_GT(cluster->remote.promoted.size(), 1u);
  EXPECT_TRUE(is(wait(seconds(2)), EtcdError::timeout));

  w.member.leader_id = 0;
  cluster->membership.promote(w.context(), kLearner, "", note());
  EXPECT_TRUE(is(wait(seconds(8)), EtcdError::no_leader));
  // One that is elected meanwhile.
  cluster->membership.promote(w.context(), kLearner, "", note());
  w.world.pass(seconds(2));
  w.member.leader_id = kSelf.value;
  cluster->raft.matches[kLearner] = Index(100);
  EXPECT_TRUE(wait(seconds(2)).ok());
}

TEST_F(MembershipChangesTest, PromotionWaitsForWhatIsCommitted) {
  cluster->raft.matches[kLearner] = Index(100);
  cluster->board.set_committed(Index(5));
  cluster->membership.promote(w.context(), kLearner, "", note());
  w.world.run_ready();
  EXPECT_FALSE(answer);
  cluster->board.set_applied(Index(5), Term(1));
  cluster->applied.on_applied(Index(5), Term(1));
  EXPECT_TRUE(wait().ok());
}

}  // namespace
}  // namespace holdfast::server
