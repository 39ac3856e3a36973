// Configuration changes and leadership transfer (thesis 3.10, 4; RAL-10, RAL-13, RAL-14).
#include <algorithm>

#include "gtest/gtest.h"
#include "test/raft/cluster.h"

namespace holdfast::raft {
namespace {

// --- Configuration changes

void change(Cluster& cluster, size_t id, ConfChangeType type, uint64_t member) {
  EXPECT_EQ(cluster[id].propose_conf_change(ConfChange{.type = type, .node_id = MemberId(member)}),
            StepResult::ok);
  cluster.settle();
}

TEST(Membership, ANewcomerCatchesUp) {
  Cluster cluster(1);
  cluster.elect(1);
  cluster.put(1, "a");
  cluster.at(1).storage.on_demand = true;
  cluster.start(2, {});
  change(cluster, 1, ConfChangeType::add_learner_node, 2);
  cluster.tick_all(3);
  EXPECT_TRUE(cluster.raft(2).is_learner());
  EXPECT_EQ(cluster[2].committed(), cluster[1].committed());
  change(cluster, 1, ConfChangeType::add_node, 2);
  EXPECT_FALSE(cluster.raft(2).is_learner());
  EXPECT_EQ(cluster.at(2).members.voters, (std::vector<MemberId>{MemberId(1), MemberId(2)}));
}

TEST(Membership, OneChangeAtATime) {  // RAL-13
  Cluster cluster(3);
  cluster.elect(1);
  const ConfChange add{.node_id = MemberId(4)};
  EXPECT_EQ(cluster[1].propose_conf_change(add), StepResult::ok);
  EXPECT_EQ(cluster[1].propose_conf_change(add), StepResult::ok);
  const Entries entries = *cluster.raft(1).log().entries(Index(3), kNoLimit);
  ASSERT_EQ(entries.size(), 2u);
  EXPECT_EQ(entries[0].type, EntryType::conf_change);
  EXPECT_EQ(entries[1], (Entry{.term = Term(2), .index = Index(4), .type_stands = true}));
  EXPECT_TRUE(cluster.at(1).logger.has("possible unapplied conf change at index 3 (applied to 2)"));
}

TEST(Membership, ANewLeaderWaitsForWhatMayBeInItsLog) {
  Cluster cluster(3);
  cluster.elect(1);
  cluster.ignore(MessageType::app_resp);
  const ConfChange update{.type = ConfChangeType::update_node, .node_id = MemberId(3)};
  EXPECT_EQ(cluster[1].propose_conf_change(update), StepResult::ok);
  cluster.settle();
  cluster.elect(2);
  EXPECT_EQ(cluster.raft(2).pending_conf_index(), Index(3));
  EXPECT_EQ(cluster[2].propose_conf_change(update), StepResult::ok);
  EXPECT_TRUE(cluster.at(2).logger.has("possible unapplied conf change at index 3 (applied to 2)"));
  cluster.heal();
  cluster.tick_all(2);
  EXPECT_EQ(cluster[2].propose_conf_change(update), StepResult::ok);
  EXPECT_EQ(cluster.raft(2).pending_conf_index(), cluster.raft(2).log().last_index());
}

TEST(Membership, AProposalThatCannotBeReadIsDropped) {
  Cluster cluster(3);
  cluster.elect(1);
  Message m = message(MessageType::prop, 2, 1, Term(0));
  m.entries = {Entry{.type = EntryType::conf_change, .data = SharedBytes("\xff\xff")}};
  EXPECT_EQ(cluster[1].step(m), StepResult::proposal_dropped);
  m.entries = {};
  EXPECT_EQ(cluster[1].step(m), StepResult::proposal_dropped);
}

TEST(Membership, RemovalLetsOthersCommit) {
  Cluster cluster(2);
  cluster.elect(1);
  (void)cluster[1].propose_conf_change(
      ConfChange{.type = ConfChangeType::remove_node, .node_id = MemberId(2)});
  cluster.settle();
  cluster.isolate(2);
  cluster.put(1, "alone");
  EXPECT_EQ(cluster.at(1).applied, Strings{"alone"});
  EXPECT_EQ(cluster.at(1).members.voters, std::vector<MemberId>{MemberId(1)});
}

TEST(Membership, ARemovedLeaderServesUntilSomebodyElseLeads) {
  Cluster cluster(3);
  cluster.elect(1);
  change(cluster, 1, ConfChangeType::remove_node, 1);
  EXPECT_EQ(cluster[1].state(), StateType::leader);
  EXPECT_EQ(cluster[1].propose(SharedBytes("a")), StepResult::proposal_dropped);
  cluster.tick(1, 100);
  cluster.elect(2);

  Cluster strict(3, 0, [](Config& config) { config.step_down_on_removal = true; });
  strict.elect(1);
  change(strict, 1, ConfChangeType::remove_node, 1);
  EXPECT_EQ(strict[1].state(), StateType::follower);
  strict.tick(1, 100);
  strict.settle();
  EXPECT_EQ(strict[1].state(), StateType::follower);  // unpromotable
}

TEST(Membership, AJointConfigurationNeedsBothMajorities) {
  Cluster cluster(3);
  cluster.elect(1);
  cluster.at(1).storage.on_demand = true;
  cluster.start(4, {});
  cluster.start(5, {});
  cluster.isolate(4);
  cluster.isolate(5);
  const ConfChangeV2 replace{.transition = ConfChangeTransition::joint_explicit,
                             .changes = {{ConfChangeType::remove_node, MemberId(2)},
                                         {ConfChangeType::remove_node, MemberId(3)},
                                         {ConfChangeType::add_node, MemberId(4)},
                                         {ConfChangeType::add_node, MemberId(5)}}};
  EXPECT_EQ(cluster[1].propose_conf_change(replace), StepResult::ok);
  cluster.settle();
  ASSERT_TRUE(cluster.raft(1).tracker().config.joint());
  // 1, 2 and 3 alone commit nothing any more.
  const Index before = cluster[1].committed();
  cluster.put(1, "a");
  EXPECT_EQ(cluster[1].committed(), before);
  cluster.heal();
  for (uint64_t id : {4, 5}) cluster[1].report_snapshot(MemberId(id), SnapshotStatus::failed);
  cluster.tick_all(3);
  EXPECT_EQ(cluster.at(1).applied, Strings{"a"});
  EXPECT_EQ(cluster[1].propose_conf_change(ConfChangeV2{}), StepResult::ok);
  cluster.settle();
  EXPECT_FALSE(cluster.raft(1).tracker().config.joint());
  EXPECT_EQ(describe(cluster.raft(1).tracker().config), "voters=(1 4 5)");
}

TEST(Membership, AJointConfigurationIsLeftByItself) {
  Cluster cluster(3);
  cluster.elect(1);
  const ConfChangeV2 demote{.changes = {{ConfChangeType::add_learner_node, MemberId(2)},
                                        {ConfChangeType::add_learner_node, MemberId(3)}}};
  EXPECT_EQ(cluster[1].propose_conf_change(demote), StepResult::ok);
  cluster.settle();
  EXPECT_EQ(describe(cluster.raft(1).tracker().config), "voters=(1) learners=(2 3)");
  EXPECT_EQ(describe(cluster.raft(3).tracker().config), "voters=(1) learners=(2 3)");
}

TEST(Membership, ANewMemberDoesNotCostTheLeadership) {
  Cluster cluster(1, 0, check_quorum());
  cluster.elect(1);
  cluster.tick(1, 9);
  cluster.start(2, {});
  change(cluster, 1, ConfChangeType::add_node, 2);
  cluster.isolate(2);
  cluster.tick(1, 2);
  EXPECT_EQ(cluster[1].state(), StateType::leader);
}

// --- Leadership transfer (RAL-10)

TEST(Transfer, ToAnUpToDateMemberAtOnce) {
  Cluster cluster(3, 0, pre_vote());
  cluster.elect(1);
  cluster[1].transfer_leader(MemberId(3));
  cluster.settle();
  EXPECT_EQ(cluster.leader(), 3u);
  EXPECT_EQ(cluster[1].lead(), MemberId(3));
  // Asked of a follower, which forwards.
  cluster[2].transfer_leader(MemberId(1));
  cluster.settle();
  EXPECT_EQ(cluster.leader(), 1u);
}

TEST(Transfer, WaitsUntilTheTargetHasCaughtUp) {
  Cluster cluster(3);
  cluster.elect(1);
  cluster.isolate(3);
  cluster.put(1, "a");
  cluster[1].transfer_leader(MemberId(3));
  cluster.settle();
  EXPECT_EQ(cluster.leader(), 1u);
  EXPECT_EQ(cluster[1].basic_status().lead_transferee, MemberId(3));
  EXPECT_EQ(cluster.propose(1, "b"), StepResult::proposal_dropped);
  cluster.heal();
  cluster.tick_all(1);
  EXPECT_EQ(cluster.leader(), 3u);
  EXPECT_EQ(cluster.at(3).applied, Strings{"a"});
}

TEST(Transfer, IsGivenUpAfterAnElectionTimeout) {
  Cluster cluster(3);
  cluster.elect(1);
  cluster.isolate(3);
  cluster[1].transfer_leader(MemberId(3));
  cluster.settle();
  cluster.tick(1, 10);
  cluster.settle();
  EXPECT_EQ(cluster[1].basic_status().lead_transferee, kNone);
  EXPECT_EQ(cluster.propose(1, "a"), StepResult::ok);
}

TEST(Transfer, ToNobodyOrSelfOrALearnerDoesNothing) {
  Cluster cluster(2, 1);
  cluster.elect(1);
  for (uint64_t to : {1, 3, 9}) {
    cluster[1].transfer_leader(MemberId(to));
    cluster.settle();
    EXPECT_EQ(cluster.leader(), 1u);
    EXPECT_EQ(cluster[1].basic_status().lead_transferee, kNone);
  }
}

TEST(Transfer, AnotherTargetReplacesTheFirst) {
  Cluster cluster(3);
  cluster.elect(1);
  cluster.isolate(3);
  cluster[1].transfer_leader(MemberId(3));
  cluster[1].transfer_leader(MemberId(3));
  EXPECT_TRUE(cluster.at(1).logger.has("is in progress, ignores request to same node 3"));
  cluster[1].transfer_leader(MemberId(2));
  cluster.settle();
  EXPECT_EQ(cluster.leader(), 2u);
}

TEST(Transfer, EndsWhenTheTargetIsRemovedOrDemoted) {
  for (const ConfChangeType type :
       {ConfChangeType::remove_node, ConfChangeType::add_learner_node}) {
    Cluster cluster(3);
    cluster.elect(1);
    (void)cluster[1].propose_conf_change(ConfChange{.type = type, .node_id = MemberId(3)});
    cluster.isolate(3);
    cluster[1].transfer_leader(MemberId(3));
    cluster.settle();
    EXPECT_EQ(cluster[1].basic_status().lead_transferee, kNone);
  }
}

}  // namespace
}  // namespace holdfast::raft
