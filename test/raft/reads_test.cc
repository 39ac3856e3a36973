// Linearizable reads (thesis 6.4; RAL-09), and who may say what.
#include <algorithm>

#include "gtest/gtest.h"
#include "test/raft/cluster.h"

namespace holdfast::raft {
namespace {

// --- Reads (RAL-09)

TEST(Reads, AreConfirmedByAQuorum) {  // RD-07
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

TEST(Reads, ANewLeaderAnswersAfterItsFirstCommit) {  // RD-07
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

TEST(Step, TypesOfTheFutureAreIgnored) {
  Cluster cluster(3);
  cluster.elect(1);
  EXPECT_EQ(cluster[1].step(message(static_cast<MessageType>(77), 2, 1, cluster[1].term())),
            StepResult::ok);
  EXPECT_FALSE(cluster[1].has_ready());
}

}  // namespace
}  // namespace holdfast::raft
