// Elections, pre-vote, check-quorum and terms (Raft 5.2, 5.4.1; thesis 4.2.3, 9.6; RAL-03 to
// RAL-06, RAL-14).
#include <algorithm>

#include "gtest/gtest.h"
#include "test/raft/cluster.h"

namespace holdfast::raft {
namespace {

// --- Elections

TEST(Election, TheFirstToAskGetsAMajority) {
  Cluster cluster(3);
  cluster.elect(1);
  for (size_t id : {1, 2, 3}) {
    EXPECT_EQ(cluster[id].lead(), MemberId(1));
    EXPECT_EQ(cluster[id].term(), Term(2));
  }
  // RAL-11: its first entry is empty and of its own term.
  EXPECT_EQ(cluster.raft(2).log().last_id(), (EntryId{Term(2), Index(2)}));
  EXPECT_EQ(cluster[2].committed(), Index(2));
}

TEST(Election, NeedsAMajority) {
  Cluster cluster(5);
  for (size_t id : {3, 4, 5}) cluster.isolate(id);
  (void)cluster[1].campaign();
  cluster.settle();
  EXPECT_EQ(cluster[1].state(), StateType::candidate);
  cluster.heal();
  cluster.cut(1, 4);
  cluster.cut(1, 5);
  cluster.elect(1);
}

TEST(Election, AMemberAloneElectsItself) {
  Cluster cluster(1);
  cluster.elect(1);
  EXPECT_EQ(cluster.propose(1, "a"), StepResult::ok);
  EXPECT_EQ(cluster.at(1).applied, Strings{"a"});
}

TEST(Election, TimeoutsAreRandomWithinTheirBounds) {  // RAL-03
  Cluster cluster(3);
  std::set<int> seen;
  for (int round = 0; round < 500; ++round) {
    (void)cluster[1].step(message(MessageType::heartbeat, 2, 1, cluster[1].term() + 1));
    cluster.settle();
    const int timeout = cluster.raft(1).randomized_election_timeout();
    EXPECT_GE(timeout, 10);
    EXPECT_LE(timeout, 19);
    seen.insert(timeout);
  }
  EXPECT_EQ(seen.size(), 10u);
  // Members with the same seed differ all the same.
  EXPECT_TRUE(cluster.raft(1).randomized_election_timeout() !=
                  cluster.raft(2).randomized_election_timeout() ||
              cluster.raft(2).randomized_election_timeout() !=
                  cluster.raft(3).randomized_election_timeout());
}

TEST(Election, AFollowerCampaignsAfterItsTimeout) {
  Cluster cluster(3);
  const int timeout = cluster.raft(1).randomized_election_timeout();
  cluster.tick(1, timeout - 1);
  EXPECT_EQ(cluster[1].state(), StateType::follower);
  cluster.tick(1);
  EXPECT_EQ(cluster[1].state(), StateType::candidate);
  cluster.settle();
  EXPECT_EQ(cluster[1].state(), StateType::leader);
}

TEST(Election, OneVoteATerm) {
  Cluster cluster(3);
  const auto ask = [&cluster](uint64_t candidate) {
    Message m = message(MessageType::vote, candidate, 1, Term(5));
    m.log_term = Term(9);
    m.index = Index(9);
    EXPECT_EQ(cluster[1].step(m), StepResult::ok);
    return of_type(cluster[1].ready().messages, MessageType::vote_resp).at(0).reject;
  };
  EXPECT_FALSE(ask(2));
  cluster[1].advance();
  EXPECT_TRUE(ask(3));
  cluster[1].advance();
  EXPECT_FALSE(ask(2));  // the same vote again
}

TEST(Election, AShorterLogGetsNoVote) {
  Cluster cluster(3);
  cluster.elect(1);
  cluster.isolate(3);
  cluster.put(1, "a");
  cluster.heal();
  (void)cluster[3].campaign();
  cluster.settle();
  EXPECT_NE(cluster[3].state(), StateType::leader);
  EXPECT_TRUE(cluster.at(2).logger.has("rejected MsgVote from 3"));
  cluster.elect(2);
}

TEST(Election, UncommittedEntriesOfOldLeadersAreReplaced) {
  Cluster cluster(3);
  cluster.elect(1);
  cluster.isolate(1);
  (void)cluster[1].propose(SharedBytes("lost 1"));
  (void)cluster[1].propose(SharedBytes("lost 2"));
  cluster.settle();
  cluster.elect(2);
  cluster.put(2, "kept");
  cluster.heal();
  cluster.tick_all(2);
  EXPECT_EQ(cluster[1].state(), StateType::follower);
  for (size_t id : {1, 2, 3}) EXPECT_EQ(cluster.at(id).applied, Strings{"kept"});
}

TEST(Election, EqualsWhoMeetFallBackForTheNextRound) {
  Cluster cluster(3);
  cluster.cut(1, 3);
  (void)cluster[1].campaign();
  (void)cluster[3].campaign();
  cluster.settle();
  // 2 voted for one of them.
  EXPECT_EQ(cluster.leader(), 1u);
  EXPECT_EQ(cluster[3].state(), StateType::candidate);
  cluster.heal();
  cluster.tick_all(3);
  EXPECT_EQ(cluster[3].state(), StateType::follower);
  EXPECT_EQ(cluster[3].lead(), MemberId(1));
}

TEST(Election, ALearnerNeverCampaignsButVotes) {  // RAL-14
  Cluster cluster(2, 1);
  cluster.tick(3, 100);
  cluster.settle();
  EXPECT_EQ(cluster[3].state(), StateType::follower);
  EXPECT_EQ(cluster[3].term(), Term(1));
  // It may have been promoted without knowing.
  Message m = message(MessageType::vote, 2, 3, Term(2));
  m.log_term = Term(1);
  m.index = Index(1);
  EXPECT_EQ(cluster[3].step(m), StepResult::ok);
  EXPECT_FALSE(of_type(cluster[3].ready().messages, MessageType::vote_resp).at(0).reject);
}

TEST(Election, NoCampaignWithConfChangesCommittedButNotApplied) {
  for (const bool v2 : {false, true}) {
    Cluster cluster(3);
    cluster.elect(1);
    if (v2) {
      (void)cluster[1].propose_conf_change(
          ConfChangeV2{.changes = {{ConfChangeType::update_node, MemberId(2)}}});
    } else {
      (void)cluster[1].propose_conf_change(
          ConfChange{.type = ConfChangeType::update_node, .node_id = MemberId(2)});
    }
    // 2 gets the entry and its commitment, but applies nothing.
    cluster.process(1);
    cluster.deliver_all();
    cluster.process(2);
    cluster.deliver_all();
    cluster.process(1);
    cluster.deliver_all();
    ASSERT_LT(cluster[2].applied(), cluster[2].committed());
    (void)cluster[2].campaign();
    EXPECT_EQ(cluster[2].state(), StateType::follower);
    EXPECT_TRUE(cluster.at(2).logger.has("still pending configuration changes to apply"));
  }
}

// --- Pre-vote (RAL-05) and check-quorum (RAL-04, RAL-06)

TEST(PreVote, WhoWasAwayDoesNotDisturb) {
  Cluster cluster(3, 0, pre_vote());
  cluster.elect(1);
  cluster.isolate(3);
  cluster.tick(3, 100);
  cluster.settle();
  EXPECT_EQ(cluster[3].state(), StateType::pre_candidate);
  EXPECT_EQ(cluster[3].term(), Term(2));
  cluster.heal();
  cluster.tick_all(1);
  EXPECT_EQ(cluster.leader(), 1u);
  EXPECT_EQ(cluster[1].term(), Term(2));
  EXPECT_EQ(cluster[3].lead(), MemberId(1));
}

TEST(PreVote, AsksForTheNextTermAndChangesNothing) {
  Cluster cluster(3, 0, pre_vote());
  (void)cluster[1].campaign();
  const Ready ready = cluster[1].ready();
  const auto requests = of_type(ready.messages, MessageType::pre_vote);
  ASSERT_EQ(requests.size(), 2u);
  EXPECT_EQ(requests[0].term, Term(2));
  EXPECT_EQ(cluster[1].term(), Term(1));
  EXPECT_FALSE(ready.hard_state);
  // Granted with the term that was asked for, refused with the own one.
  EXPECT_EQ(cluster[2].step(requests[0]), StepResult::ok);
  const auto granted = of_type(cluster[2].ready().messages, MessageType::pre_vote_resp);
  EXPECT_EQ(granted.at(0).term, Term(2));
  EXPECT_EQ(cluster[2].term(), Term(1));
}

TEST(PreVote, AnElectionIsWonInTwoRounds) {
  Cluster cluster(3, 0, pre_vote());
  cluster.elect(2);
  EXPECT_EQ(cluster[1].lead(), MemberId(2));
  EXPECT_EQ(cluster[2].term(), Term(2));
}

TEST(PreVote, AMixedClusterElectsALeader) {
  // 3 still runs without pre-vote and has raised its term; its log is too short to win.
  Cluster cluster(3, 0, [](Config& config) { config.pre_vote = config.id != MemberId(3); });
  cluster.elect(1);
  cluster.isolate(3);
  cluster.put(1, "a");
  cluster.tick(3, 100);
  cluster.settle();
  ASSERT_GT(cluster[3].term(), cluster[1].term());
  cluster.heal();
  cluster.isolate(1);
  cluster.tick_all(100);
  EXPECT_EQ(cluster.leader(), 2u);
}

TEST(CheckQuorum, ALeaderWithoutFollowersStepsDown) {
  Cluster cluster(3, 0, check_quorum());
  cluster.elect(1);
  cluster.tick_all(30);
  EXPECT_EQ(cluster[1].state(), StateType::leader);
  cluster.isolate(1);
  cluster.tick(1, 20);
  EXPECT_EQ(cluster[1].state(), StateType::follower);
  EXPECT_EQ(cluster[1].lead(), kNone);
  EXPECT_TRUE(cluster.at(1).logger.has("stepped down to follower since quorum is not active"));
}

TEST(CheckQuorum, NoVoteWhileTheLeaderIsHeard) {
  Cluster cluster(3, 0, check_quorum());
  cluster.elect(1);
  (void)cluster[3].campaign();
  cluster.settle();
  EXPECT_EQ(cluster[2].lead(), MemberId(1));
  EXPECT_TRUE(cluster.at(2).logger.has("lease is not expired"));
  // When 2 has not heard of the leader for an election timeout, it votes.
  cluster.isolate(1);
  cluster.set_timeouts({{2, 20}, {3, 20}});
  cluster.tick(2, 10);
  (void)cluster[3].campaign();
  cluster.settle();
  EXPECT_EQ(cluster[3].state(), StateType::leader);
}

TEST(CheckQuorum, AStuckCandidateIsFreedByItsHigherTerm) {  // RAL-06
  Cluster cluster(3, 0, check_quorum());
  cluster.elect(1);
  cluster.isolate(3);
  (void)cluster[3].campaign();
  cluster.settle();
  (void)cluster[3].campaign();
  cluster.settle();
  const Term stuck = cluster[3].term();
  cluster.heal();
  // The leader's heartbeat is answered with the higher term, which deposes it.
  cluster.tick(1);
  cluster.settle();
  EXPECT_EQ(cluster[1].state(), StateType::follower);
  EXPECT_GE(cluster[1].term(), stuck);
}

TEST(ForgetLeader, AFollowerMayVoteAtOnce) {
  Cluster cluster(3, 0, check_quorum());
  cluster.elect(1);
  EXPECT_EQ(cluster[2].forget_leader(), StepResult::ok);
  EXPECT_EQ(cluster[2].lead(), kNone);
  // Back as soon as the leader is heard from.
  cluster.tick_all(1);
  EXPECT_EQ(cluster[2].lead(), MemberId(1));
  EXPECT_EQ(cluster[1].forget_leader(), StepResult::ok);
  EXPECT_EQ(cluster[1].lead(), MemberId(1));
}

// --- Terms

TEST(Terms, AHigherOneMakesAFollowerOfAnybody) {
  for (const size_t campaigns : {0, 1, 2}) {
    Cluster cluster(3);
    if (campaigns == 1) (void)cluster[1].campaign();
    if (campaigns == 2) cluster.elect(1);
    Message m = message(MessageType::app, 2, 1, Term(9));
    m.index = Index(1);
    m.log_term = Term(1);
    EXPECT_EQ(cluster[1].step(m), StepResult::ok);
    EXPECT_EQ(cluster[1].state(), StateType::follower);
    EXPECT_EQ(cluster[1].term(), Term(9));
    EXPECT_EQ(cluster[1].lead(), MemberId(2));
    EXPECT_EQ(cluster.raft(1).vote(), kNone);
  }
}

TEST(Terms, ALowerOneIsIgnored) {
  Cluster cluster(3);
  cluster.elect(1);
  Message m = message(MessageType::app, 3, 1, Term(1));
  m.entries = {Entry{.term = Term(1), .index = Index(1)}};
  EXPECT_EQ(cluster[1].step(m), StepResult::ok);
  EXPECT_EQ(cluster[1].state(), StateType::leader);
  EXPECT_FALSE(cluster[1].has_ready());
}

TEST(Terms, AnAcknowledgementOfAnEarlierLeadershipDoesNotCount) {
  Cluster cluster(3);
  cluster.elect(1);
  (void)cluster[1].propose(SharedBytes("x"));
  Ready ready = cluster[1].ready();  // not yet durable
  Message m = message(MessageType::heartbeat, 2, 1, Term(5));
  EXPECT_EQ(cluster[1].step(m), StepResult::ok);
  cluster.at(1).storage.append(ready.entries);
  cluster[1].advance();
  EXPECT_EQ(cluster[1].state(), StateType::follower);
  EXPECT_EQ(cluster[1].committed(), Index(2));
}

}  // namespace
}  // namespace holdfast::raft
