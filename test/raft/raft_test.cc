// What the algorithm must do, rule by rule: elections (Raft 5.2, 5.4.1; thesis 4.2.3, 9.6), replication (5.3), commitment
// (5.4.2), flow control, snapshots (7), configuration changes (thesis 4), transfers (3.10), reads (6.4).
#include <algorithm>

#include "gtest/gtest.h"
#include "test/raft/cluster.h"

namespace holdfast::raft {
namespace {

using Strings = std::vector<std::string>;

Message message(MessageType type, uint64_t from, uint64_t to, Term term) {
  Message m;
  m.type = type;
  m.from = MemberId(from);
  m.to = MemberId(to);
  m.term = term;
  return m;
}

std::vector<Message> of_type(const std::vector<Message>& messages, MessageType type) {
  std::vector<Message> found;
  std::copy_if(messages.begin(), messages.end(), std::back_inserter(found),
               [type](const Message& m) { return m.type == type; });
  return found;
}

Cluster::Tune check_quorum() {
  return [](Config& config) { config.check_quorum = true; };
}
Cluster::Tune pre_vote() {
  return [](Config& config) {
    config.check_quorum = true;
    config.pre_vote = true;
  };
}

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

// --- Replication

TEST(Replication, ProposalsReachEverybodyInOrder) {
  Cluster cluster(3, 1);
  cluster.elect(1);
  Strings all;
  for (int i = 0; i < 20; ++i) {
    all.push_back(std::to_string(i));
    // Any voter or learner may be asked: it forwards.
    EXPECT_EQ(cluster.propose(1 + i % 4, all.back()), StepResult::ok);
  }
  for (size_t id : {1, 2, 3, 4}) EXPECT_EQ(cluster.at(id).applied, all);
}

TEST(Replication, SeveralProposalsAreOneMessage) {
  Cluster cluster(3);
  cluster.elect(1);
  EXPECT_EQ(cluster[1].propose(Entries{Entry{.data = SharedBytes("a")}, Entry{.data = SharedBytes("b")}}),
            StepResult::ok);
  const Ready ready = cluster.process(1);
  EXPECT_EQ(ready.entries.size(), 2u);
  EXPECT_EQ(of_type(ready.messages, MessageType::app).size(), 2u);
  cluster.settle();
  EXPECT_EQ(cluster.at(3).applied, (Strings{"a", "b"}));
}

TEST(Replication, WithoutALeaderProposalsAreDropped) {
  Cluster cluster(3);
  EXPECT_EQ(cluster.propose(1, "a"), StepResult::proposal_dropped);
  (void)cluster[1].campaign();
  EXPECT_EQ(cluster[1].propose(SharedBytes("a")), StepResult::proposal_dropped);
  Cluster strict(3, 0, [](Config& config) { config.disable_proposal_forwarding = true; });
  strict.elect(1);
  EXPECT_EQ(strict.propose(2, "a"), StepResult::proposal_dropped);
  EXPECT_EQ(strict.propose(1, "a"), StepResult::ok);
}

TEST(Replication, CommittedMeansOnAMajority) {
  Cluster cluster(5);
  cluster.elect(1);
  for (size_t id : {3, 4, 5}) cluster.cut(1, id);
  cluster.put(1, "a");
  EXPECT_TRUE(cluster.at(1).applied.empty());
  cluster.heal();
  cluster.cut(1, 5);
  cluster.tick_all(1);
  EXPECT_EQ(cluster.at(1).applied, Strings{"a"});
  EXPECT_EQ(cluster.at(4).applied, Strings{"a"});
}

TEST(Replication, EntriesOfEarlierTermsAreCommittedWithTheFirstOfTheOwn) {  // RAL-11, Raft figure 8
  Cluster cluster(5);
  cluster.elect(1);
  for (size_t id : {3, 4, 5}) cluster.cut(1, id);
  cluster.put(1, "a");
  cluster.heal();
  // The next leader has "a"; it must not count it while its own first entry reaches nobody.
  cluster.ignore(MessageType::app);
  cluster.elect(2);
  EXPECT_EQ(cluster[2].committed(), Index(2));
  cluster.heal();
  cluster.tick_all(1);
  for (size_t id : {1, 2, 3, 4, 5}) EXPECT_EQ(cluster.at(id).applied, Strings{"a"});
}

TEST(Replication, AFollowerBehindIsCaughtUpInLimitedMessages) {  // RAL-12
  Cluster cluster(3, 0, [](Config& config) {
    config.max_size_per_message = 64;
    config.max_inflight_messages = 4;
  });
  cluster.elect(1);
  cluster.isolate(3);
  for (int i = 0; i < 50; ++i) cluster.put(1, std::string(30, 'x'));
  cluster.heal();
  cluster.tick(1);
  cluster.process(1);
  size_t most = 0;
  // Every append keeps to the limit, and no more than the window is on the way.
  for (int round = 0; round < 200 && cluster[3].committed() != cluster[1].committed(); ++round) {
    size_t appends = 0;
    for (const Message& m : cluster.messages()) {
      if (m.type != MessageType::app || m.to != MemberId(3)) continue;
      ++appends;
      EXPECT_LE(m.entries.size(), 2u);
    }
    most = std::max(most, appends);
    cluster.deliver_all();
    for (size_t id : {1, 2, 3}) {
      while (cluster[id].has_ready()) cluster.process(id);
    }
  }
  EXPECT_EQ(cluster.at(3).applied.size(), 50u);
  EXPECT_GE(most, 3u);
  EXPECT_LE(most, 4u);
}

TEST(Replication, ProbingSkipsWholeTerms) {  // RAL-07
  // 1 has many entries of term 2 that nobody else got; 2 has gone on in term 3.
  Cluster cluster(3);
  cluster.elect(1);
  cluster.isolate(1);
  for (int i = 0; i < 100; ++i) (void)cluster[1].propose(SharedBytes("lost"));
  cluster.settle();
  cluster.elect(2);
  for (int i = 0; i < 100; ++i) cluster.put(2, "kept");
  cluster.heal();
  size_t refusals = 0;
  cluster.tick(2);
  for (int round = 0; round < 50; ++round) {
    for (size_t id : {1, 2, 3}) {
      while (cluster[id].has_ready()) cluster.process(id);
    }
    for (const Message& m : cluster.messages())
      refusals += m.type == MessageType::app_resp && m.reject ? 1 : 0;
    cluster.deliver_all();
  }
  EXPECT_EQ(cluster.at(1).applied, cluster.at(2).applied);
  EXPECT_LE(refusals, 2u);
}

TEST(Replication, AppendsOutOfOrderDoNotHarm) {
  Cluster cluster(3);
  cluster.elect(1);
  for (int i = 0; i < 5; ++i) {
    (void)cluster[1].propose(SharedBytes(std::to_string(i)));
    cluster.process(1);
  }
  std::reverse(cluster.messages().begin(), cluster.messages().end());
  cluster.settle();
  cluster.tick_all(2);
  for (size_t id : {1, 2, 3}) EXPECT_EQ(cluster.at(id).applied, (Strings{"0", "1", "2", "3", "4"}));
}

TEST(Replication, AnAppendThatDoesNotFitTogetherIsIgnored) {
  Cluster cluster(3);
  Message m = message(MessageType::app, 2, 1, Term(2));
  m.index = Index(1);
  m.log_term = Term(1);
  m.entries = {Entry{.term = Term(2), .index = Index(3)}};
  EXPECT_EQ(cluster[1].step(m), StepResult::ok);
  EXPECT_EQ(cluster.raft(1).log().last_index(), Index(1));
  EXPECT_TRUE(cluster.at(1).logger.has("inconsistent entries"));
}

TEST(Replication, UncommittedPayloadIsBounded) {
  Cluster cluster(3, 0, [](Config& config) { config.max_uncommitted_entries_size = 100; });
  cluster.elect(1);
  cluster.isolate(1);
  const std::string payload(40, 'x');
  EXPECT_EQ(cluster.propose(1, payload), StepResult::ok);
  EXPECT_EQ(cluster.propose(1, payload), StepResult::ok);
  EXPECT_EQ(cluster.propose(1, payload), StepResult::proposal_dropped);
  // Entries without payload always fit.
  EXPECT_EQ(cluster.propose(1, ""), StepResult::ok);
  cluster.heal();
  cluster.tick_all(2);
  EXPECT_EQ(cluster.raft(1).uncommitted_size(), 0u);
  // The first one may be larger than the bound.
  EXPECT_EQ(cluster.propose(1, std::string(1000, 'y')), StepResult::ok);
  EXPECT_EQ(cluster.at(2).applied.size(), 3u);
}

TEST(Replication, HeartbeatsTellNoMoreThanWhatMatches) {  // RAL-08
  Cluster cluster(3);
  cluster.elect(1);
  cluster.ignore(MessageType::app);
  cluster.cut(1, 3);
  cluster.put(1, "a");
  cluster.heal();
  cluster.ignore(MessageType::app_resp);
  cluster.tick(1);
  for (const Message& m : of_type(cluster[1].ready().messages, MessageType::heartbeat))
    EXPECT_EQ(m.commit, std::min(cluster.raft(1).tracker().progress.find(m.to)->match,
                                 cluster[1].committed()));
}

// --- Flow control

TEST(FlowControl, AFullWindowIsProbedByHeartbeats) {
  Cluster cluster(2, 0, [](Config& config) { config.max_inflight_messages = 2; });
  cluster.elect(1);
  cluster.cut(1, 2);
  for (int i = 0; i < 5; ++i) cluster.put(1, "x");
  const auto progress = [&cluster] { return *cluster.raft(1).tracker().progress.find(MemberId(2)); };
  EXPECT_EQ(progress().state, ProgressState::replicate);
  EXPECT_TRUE(progress().inflights.full());
  EXPECT_TRUE(progress().paused());
  cluster.heal();
  cluster.tick_all(2);
  EXPECT_EQ(cluster.at(2).applied.size(), 5u);
  EXPECT_FALSE(progress().paused());
}

TEST(FlowControl, AWindowInBytes) {
  Cluster cluster(2, 0, [](Config& config) {
    config.max_size_per_message = 100;
    config.max_inflight_bytes = 100;
  });
  cluster.elect(1);
  cluster.cut(1, 2);
  for (int i = 0; i < 5; ++i) cluster.put(1, std::string(60, 'x'));
  const Progress& progress = *cluster.raft(1).tracker().progress.find(MemberId(2));
  EXPECT_EQ(progress.inflights.count(), 2u);
  EXPECT_TRUE(progress.paused());
}

TEST(FlowControl, AnUnreachableFollowerIsProbed) {
  Cluster cluster(3);
  cluster.elect(1);
  const Progress& progress = *cluster.raft(1).tracker().progress.find(MemberId(2));
  EXPECT_EQ(progress.state, ProgressState::replicate);
  cluster[1].report_unreachable(MemberId(2));
  EXPECT_EQ(progress.state, ProgressState::probe);
  cluster.tick_all(1);
  EXPECT_EQ(progress.state, ProgressState::replicate);
}

// --- Snapshots

// Leader 1; 3 is away, and its entries are compacted.
void lose_log_of_3(Cluster& cluster) {
  cluster.elect(1);
  cluster.isolate(3);
  for (int i = 0; i < 5; ++i) cluster.put(1, std::to_string(i));
  for (size_t id : {1, 2}) {
    Cluster::Node& node = cluster.at(id);
    ASSERT_TRUE(
        node.storage.create_snapshot(node.raw->applied(), &node.members, SharedBytes("s")).ok());
    ASSERT_TRUE(node.storage.compact(node.raw->applied()));
  }
  cluster.put(1, "after");
  cluster.heal();
}

TEST(Snapshots, WhoIsTooFarBehindGetsOne) {
  Cluster cluster(3);
  lose_log_of_3(cluster);
  cluster.tick_all(2);
  EXPECT_EQ(cluster.at(3).applied, (Strings{"snapshot", "after"}));
  EXPECT_EQ(cluster.raft(1).tracker().progress.find(MemberId(3))->state, ProgressState::replicate);
  EXPECT_EQ(cluster.at(3).storage.first_index(), Index(8));
}

TEST(Snapshots, NothingElseIsSentUntilItArrivedOrFailed) {
  Cluster cluster(3);
  lose_log_of_3(cluster);
  cluster.ignore(MessageType::snap);
  cluster.tick_all(1);
  const Progress& progress = *cluster.raft(1).tracker().progress.find(MemberId(3));
  EXPECT_EQ(progress.state, ProgressState::snapshot);
  EXPECT_EQ(progress.pending_snapshot, Index(7));
  cluster.put(1, "more");
  cluster.tick_all(5);
  EXPECT_EQ(progress.state, ProgressState::snapshot);
  // Failed: tried again after a heartbeat.
  cluster[1].report_snapshot(MemberId(3), SnapshotStatus::failed);
  EXPECT_EQ(progress.state, ProgressState::probe);
  EXPECT_TRUE(progress.paused());
  EXPECT_EQ(progress.next, progress.match + 1);
  cluster.heal();
  cluster.tick_all(2);
  EXPECT_EQ(cluster.at(3).applied, (Strings{"snapshot", "after", "more"}));
}

TEST(Snapshots, AReportOfSuccessResumesBehindIt) {
  Cluster cluster(3);
  lose_log_of_3(cluster);
  cluster.ignore(MessageType::snap);
  cluster.tick_all(1);
  cluster[1].report_snapshot(MemberId(3), SnapshotStatus::finished);
  const Progress& progress = *cluster.raft(1).tracker().progress.find(MemberId(3));
  EXPECT_EQ(progress.state, ProgressState::probe);
  EXPECT_EQ(progress.next, Index(8));
  EXPECT_TRUE(progress.paused());
}

TEST(Snapshots, OldOnesAndThoseOfOthersAreIgnored) {
  Cluster cluster(3);
  cluster.elect(1);
  Snapshot old;
  old.metadata = {ConfState{.voters = {MemberId(1), MemberId(2), MemberId(3)}}, Index(1), Term(1)};
  Message m = message(MessageType::snap, 1, 2, Term(2));
  m.snapshot = std::make_shared<Snapshot>(old);
  EXPECT_EQ(cluster[2].step(m), StepResult::ok);
  EXPECT_TRUE(cluster.at(2).logger.has("ignored snapshot [index: 1, term: 1]"));
  Snapshot foreign;
  foreign.metadata = {ConfState{.voters = {MemberId(8)}}, Index(50), Term(2)};
  m.snapshot = std::make_shared<Snapshot>(foreign);
  EXPECT_EQ(cluster[2].step(m), StepResult::ok);
  EXPECT_TRUE(cluster.at(2).logger.has("it is not in the ConfState voters:8 auto_leave:false"));
  EXPECT_EQ(cluster.raft(2).log().last_index(), Index(2));
}

TEST(Snapshots, OneThatIsInTheLogOnlyCommits) {
  Cluster cluster(3);
  cluster.elect(1);
  cluster.cut(1, 3);
  (void)cluster[1].propose(SharedBytes("a"));
  const Ready ready = cluster.process(1);
  Message append = of_type(ready.messages, MessageType::app).at(0);
  EXPECT_EQ(cluster[2].step(append), StepResult::ok);
  Snapshot snapshot;
  snapshot.metadata = {cluster.at(2).members, Index(3), Term(2)};
  Message m = message(MessageType::snap, 1, 2, Term(2));
  m.snapshot = std::make_shared<Snapshot>(snapshot);
  EXPECT_EQ(cluster[2].step(m), StepResult::ok);
  EXPECT_TRUE(cluster.at(2).logger.has("fast-forwarded commit to snapshot [index: 3, term: 2]"));
  EXPECT_EQ(cluster[2].committed(), Index(3));
}

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
  EXPECT_EQ(entries[1], (Entry{.term = Term(2), .index = Index(4)}));
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
  for (const ConfChangeType type : {ConfChangeType::remove_node, ConfChangeType::add_learner_node}) {
    Cluster cluster(3);
    cluster.elect(1);
    (void)cluster[1].propose_conf_change(ConfChange{.type = type, .node_id = MemberId(3)});
    cluster.isolate(3);
    cluster[1].transfer_leader(MemberId(3));
    cluster.settle();
    EXPECT_EQ(cluster[1].basic_status().lead_transferee, kNone);
  }
}

// --- Reads (RAL-09)

TEST(Reads, AreConfirmedByAQuorum) {
  Cluster cluster(3, 1);
  cluster.elect(1);
  cluster.put(1, "a");
  for (size_t id : {1, 2, 4}) {
    cluster[id].read_index(SharedBytes("ctx"));
    cluster.settle();
    ASSERT_EQ(cluster.at(id).reads.size(), 1u) << id;
    EXPECT_EQ(cluster.at(id).reads[0], (ReadState{Index(3), SharedBytes("ctx")}));
  }
}

TEST(Reads, AnIsolatedLeaderConfirmsNothing) {
  Cluster cluster(3);
  cluster.elect(1);
  cluster.isolate(1);
  cluster[1].read_index(SharedBytes("ctx"));
  cluster.settle();
  cluster.tick(1, 3);
  cluster.settle();
  EXPECT_TRUE(cluster.at(1).reads.empty());
  cluster.elect(2);
  cluster.put(2, "newer");
  cluster.heal();
  cluster.tick_all(3);
  EXPECT_TRUE(cluster.at(1).reads.empty());
}

TEST(Reads, ManyAreConfirmedByOneHeartbeat) {
  Cluster cluster(3);
  cluster.elect(1);
  for (int i = 0; i < 10; ++i) cluster[1].read_index(SharedBytes("same"));
  cluster.process(1);
  // Only the last heartbeat to each gets through.
  std::map<MemberId, Message> last;
  for (const Message& m : cluster.messages()) {
    if (m.type == MessageType::heartbeat) last[m.to] = m;
  }
  cluster.messages().clear();
  for (const auto& [to, m] : last) cluster.messages().push_back(m);
  cluster.settle();
  EXPECT_EQ(cluster.at(1).reads.size(), 10u);
}

TEST(Reads, ANewLeaderAnswersAfterItsFirstCommit) {
  Cluster cluster(3);
  cluster.elect(1);
  cluster.put(1, "a");
  cluster.ignore(MessageType::app);
  cluster.elect(2);
  cluster[2].read_index(SharedBytes("early"));
  cluster.settle();
  EXPECT_TRUE(cluster.at(2).reads.empty());
  cluster.heal();
  cluster.tick_all(2);
  ASSERT_EQ(cluster.at(2).reads.size(), 1u);
  EXPECT_EQ(cluster.at(2).reads[0].index, cluster[2].committed());
}

TEST(Reads, WithALeaseNeedNoRound) {
  Cluster cluster(3, 0, [](Config& config) {
    config.check_quorum = true;
    config.read_only_option = ReadOnlyOption::lease_based;
  });
  cluster.elect(1);
  cluster.isolate(1);
  cluster[1].read_index(SharedBytes("ctx"));
  cluster.settle();
  EXPECT_EQ(cluster.at(1).reads.size(), 1u);
}

TEST(Reads, AMemberAloneAnswersAtOnce) {
  Cluster cluster(1, 1);
  cluster.elect(1);
  cluster.isolate(2);
  cluster[1].read_index(SharedBytes("ctx"));
  cluster.settle();
  EXPECT_EQ(cluster.at(1).reads.size(), 1u);
}

TEST(Reads, WithoutALeaderAreDropped) {
  Cluster cluster(3);
  cluster[1].read_index(SharedBytes("ctx"));
  cluster.settle();
  cluster.elect(1);
  EXPECT_TRUE(cluster.at(1).reads.empty());
  EXPECT_TRUE(cluster.at(1).logger.has("dropping index reading msg"));
}

TEST(Reads, StrangeContextsFromMembersDoNoHarm) {
  Cluster cluster(3);
  cluster.elect(1);
  cluster[1].read_index(SharedBytes("ctx"));
  for (const char* context : {"x", "xxxxxxxxxxxxxxxxxxxx"}) {
    Message m = message(MessageType::heartbeat_resp, 2, 1, cluster[1].term());
    m.context = SharedBytes(context);
    EXPECT_EQ(cluster[1].step(m), StepResult::ok);
  }
  Message m = message(MessageType::heartbeat_resp, 2, 1, cluster[1].term());
  m.context = SharedBytes("\xff\xff\xff\xff\xff\xff\xff\xff");
  EXPECT_EQ(cluster[1].step(m), StepResult::ok);
  Message empty = message(MessageType::read_index, 2, 1, Term(0));
  EXPECT_EQ(cluster[1].step(empty), StepResult::ok);
  cluster.settle();
  EXPECT_EQ(cluster[1].state(), StateType::leader);
}

// --- Who may say what

TEST(Step, LocalMessagesAndStrangersAreRefused) {
  Cluster cluster(3);
  cluster.elect(1);
  for (int type = 0; type < kMessageTypes; ++type) {
    const auto t = static_cast<MessageType>(type);
    if (is_local_message(t)) {
      EXPECT_EQ(cluster[1].step(message(t, 2, 1, Term(0))), StepResult::local_message);
    } else if (is_response_message(t)) {
      EXPECT_EQ(cluster[1].step(message(t, 9, 1, cluster[1].term())), StepResult::peer_not_found);
    }
  }
  EXPECT_EQ(text(StepResult::proposal_dropped), "raft proposal dropped");
}

TEST(Step, ALeadersMessagesFromItselfAreRefused) {
  Cluster cluster(3);
  cluster.elect(1);
  EXPECT_EQ(cluster[2].step(message(MessageType::heartbeat, 2, 2, cluster[2].term())),
            StepResult::peer_not_found);
  EXPECT_EQ(cluster[2].lead(), MemberId(1));
}

TEST(Step, TypesOfTheFutureAreIgnored) {
  Cluster cluster(3);
  cluster.elect(1);
  EXPECT_EQ(cluster[1].step(message(static_cast<MessageType>(77), 2, 1, cluster[1].term())),
            StepResult::ok);
  EXPECT_FALSE(cluster[1].has_ready());
}

}  // namespace
}  // namespace holdfast::raft
