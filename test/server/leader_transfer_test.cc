#include "server/leader_transfer.h"

#include <optional>

#include "gtest/gtest.h"
#include "test/server/cluster_world.h"

namespace holdfast::server {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr MemberId kSelf{0xabc}, kLearner{0xfff}, kTwo{0x2}, kThree{0x3};

struct LeaderTransferTest : ::testing::Test {
  LeaderTransferTest() : cluster(w, w.world.owner, w.world.clock) {
    membership::RecordChanges records;
    for (const MemberId id : {kTwo, kThree})
      w.member.cluster_now->add({.id = id, .peer_urls = {"http://" + hex_id(id.value)}, .name = hex_id(id.value)}, records);
  }
  LeaderTransfer::Done note() {
    answer.reset();
    return [this](absl::Status status) { answer = std::move(status); };
  }
  void move(MemberId to) { cluster.transfer.move(w.context(), to, note()); }
  void hand_over() { cluster.transfer.hand_over(w.world.owner, note()); }

  V3World w;
  ClusterWorld cluster;
  std::optional<absl::Status> answer;
};

// MNT-09
TEST_F(LeaderTransferTest, MovesToAnotherVoter) {
  move(kTwo);
  w.world.run_ready();
  ASSERT_TRUE(answer && answer->ok());
  EXPECT_EQ(cluster.raft.transfers, (std::vector<MemberId>{kTwo}));
  move(kThree);
  w.world.run_ready();
  EXPECT_TRUE(is(*answer, EtcdError::not_leader)) << "it leads no more";
}

// MNT-09
TEST_F(LeaderTransferTest, OnlyVotersCanLead) {
  for (const MemberId id : {kLearner, MemberId(0x77)}) {
    move(id);
    w.world.run_ready();
    EXPECT_TRUE(is(*answer, EtcdError::bad_leader_transferee));
  }
  EXPECT_TRUE(cluster.raft.transfers.empty());
}

// MNT-09, ERR-64
TEST_F(LeaderTransferTest, GivesUpAtTheDeadline) {
  cluster.raft.transfers_succeed = false;
  move(kTwo);
  w.world.pass(milliseconds(6900));
  EXPECT_FALSE(answer);
  w.world.pass(milliseconds(200));
  EXPECT_TRUE(is(*answer, EtcdError::leader_transfer_timeout));
  CallContext context = w.context();
  context.deadline = w.world.clock.now() + seconds(1);
  cluster.transfer.move(context, kTwo, note());
  w.world.pass(seconds(1));
  EXPECT_TRUE(is(*answer, EtcdError::leader_transfer_timeout)) << "the client's deadline counts";
}

// RAL-10: raft says nothing, so it is looked for.
TEST_F(LeaderTransferTest, SeesWhenItIsDone) {
  cluster.raft.transfers_succeed = false;
  move(kTwo);
  w.world.pass(milliseconds(250));
  EXPECT_FALSE(answer);
  w.member.leader_id = kTwo.value;
  w.world.pass(milliseconds(100));
  EXPECT_TRUE(answer && answer->ok());
}

// OPS-11
TEST_F(LeaderTransferTest, HandsOverToWhomIsConnectedLongest) {
  cluster.peers.active = {{kTwo, env::Instant{200}}, {kThree, env::Instant{100}}, {kLearner, env::Instant{1}}};
  hand_over();
  w.world.run_ready();
  ASSERT_TRUE(answer && answer->ok());
  EXPECT_EQ(cluster.raft.transfers, (std::vector<MemberId>{kThree}));
}

// OPS-11
TEST_F(LeaderTransferTest, NothingToHandOver) {
  w.member.leader_id = kTwo.value;
  hand_over();
  EXPECT_TRUE(answer && answer->ok()) << "another leads";
  w.member.leader_id = kSelf.value;
  hand_over();
  EXPECT_TRUE(answer && is(*answer, EtcdError::unhealthy)) << "nobody is connected";
  membership::RecordChanges records;
  w.member.cluster_now->remove(kTwo, records);
  w.member.cluster_now->remove(kThree, records);
  hand_over();
  EXPECT_TRUE(answer && answer->ok()) << "the only voter";
  EXPECT_TRUE(cluster.raft.transfers.empty());
}

// OPS-11: the whole cluster is being stopped.
TEST_F(LeaderTransferTest, HandsOverToNobodyWhoIsGone) {
  cluster.raft.transfers_succeed = false;
  cluster.peers.active[kTwo] = env::Instant{1};
  hand_over();
  w.world.pass(milliseconds(2000));
  EXPECT_FALSE(answer) << "it is connected, and may be slow";
  cluster.peers.active[kTwo] = env::Instant{};
  w.world.pass(milliseconds(300));
  cluster.peers.active[kTwo] = env::Instant{2};
  w.world.pass(milliseconds(300));
  EXPECT_FALSE(answer) << "it was away for a moment";
  cluster.peers.active[kTwo] = env::Instant{};
  w.world.pass(milliseconds(700));
  EXPECT_TRUE(answer && is(*answer, EtcdError::unhealthy));
}

}  // namespace
}  // namespace holdfast::server
