// Replication, commitment, flow control and snapshots (Raft 5.3, 5.4.2, 7; RAL-07, RAL-08, RAL-11,
// RAL-12).
#include <algorithm>

#include "gtest/gtest.h"
#include "test/raft/cluster.h"

namespace holdfast::raft {
namespace {

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
  EXPECT_EQ(
      cluster[1].propose(Entries{Entry{.data = SharedBytes("a")}, Entry{.data = SharedBytes("b")}}),
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
  const auto progress = [&cluster] {
    return *cluster.raft(1).tracker().progress.find(MemberId(2));
  };
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

}  // namespace
}  // namespace holdfast::raft
