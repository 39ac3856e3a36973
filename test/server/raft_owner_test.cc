#include "server/raft_owner.h"

#include "gtest/gtest.h"
#include "server/raft_log.h"
#include "test/manual_executor.h"

namespace holdfast::server {
namespace {

constexpr Index kFounded{3};  // what founded the cluster is a snapshot here
constexpr uint64_t kCatchUp = 30, kEvery = 100, kHeldBytes = 100'000;

// The owner of an only voter, whose disk is done at once, and apply when it is told to.
class RaftOwnerTest : public testing::Test, public AppendSink, public ApplySink {
 protected:
  void SetUp() override {
    raft::Snapshot founded;
    founded.metadata = {{.voters = {MemberId(1)}}, kFounded, Term(1)};
    ASSERT_TRUE(storage_.apply_snapshot(founded));
    RaftOwner::Options options{.config = {},
                               .heartbeat_interval = std::chrono::milliseconds(100),
                               .snapshot_catchup_entries = Index(kCatchUp),
                               .held_bytes_max = kHeldBytes,
                               .compact_every = kEvery};
    options.config.id = MemberId(1);
    options.config.applied = kFounded;
    owner_ = std::make_unique<RaftOwner>(
        RaftOwner::Parts{executor_, storage_, raft_log_, log_, metrics_, board_, waits_, ids_, peers_}, options);
    reads_ = std::make_unique<ReadIndex>(executor_, ids_, board_, *owner_, log_, metrics_, ReadIndex::Options{});
    owner_->connect(*this, *this, *reads_);
    owner_->start();
    owner_->campaign();
    executor_.run();
    ASSERT_TRUE(board_.is_leader());
  }
  void append(raft::Message order) override {
    executor_.post([this, order = std::move(order)]() mutable { owner_->on_append_done(std::move(order)); });
  }
  void apply(raft::Message order) override {
    executor_.post([this, order = std::move(order)]() mutable { owner_->on_apply_done(std::move(order.responses)); });
  }
  // Until the entry with this index is applied.
  void apply_up_to(uint64_t index, size_t bytes = 10) {
    while (owner_->node().applied() < Index(index)) {
      owner_->post_proposal(ids_.next(), SharedBytes(std::string(bytes, 'x')));
      executor_.run();
    }
    ASSERT_EQ(owner_->node().applied(), Index(index));
  }

  ManualClock clock_;
  ManualExecutor executor_{clock_};
  raft::MemoryStorage storage_;
  NullLogger log_;
  RaftLog raft_log_{log_};
  env::NullMetrics metrics_;
  RequestMetrics request_metrics_{metrics_};
  RaftBoard board_;
  WaitTable waits_{clock_, request_metrics_};
  RequestIdGenerator ids_{MemberId(1), 0};
  NoPeers peers_;
  std::unique_ptr<RaftOwner> owner_;
  std::unique_ptr<ReadIndex> reads_;
};

// RAL-17
TEST_F(RaftOwnerTest, LetsGoOfEntriesAHundredAtATimeAndKeepsThoseToCatchUpWith) {
  apply_up_to(99);
  EXPECT_EQ(storage_.first_index(), kFounded + 1);
  apply_up_to(100);
  EXPECT_EQ(storage_.first_index(), Index(100 - kCatchUp + 1));
  EXPECT_EQ((*storage_.snapshot())->metadata.index, Index(100));
  apply_up_to(199);
  EXPECT_EQ(storage_.first_index(), Index(100 - kCatchUp + 1));
  apply_up_to(200);
  EXPECT_EQ(storage_.first_index(), Index(200 - kCatchUp + 1));
  EXPECT_EQ((*storage_.snapshot())->metadata.conf_state.voters, std::vector{MemberId(1)});
}

// RAFT-18
TEST_F(RaftOwnerTest, KeepsAllWhileASnapshotIsOnItsWay) {
  owner_->hold_compaction(true);
  apply_up_to(250);
  EXPECT_EQ(storage_.first_index(), kFounded + 1);
  owner_->hold_compaction(false);
  apply_up_to(251);
  EXPECT_EQ(storage_.first_index(), Index(251 - kCatchUp + 1));
}

TEST_F(RaftOwnerTest, ButNotMoreThanMayBeHeld) {
  owner_->hold_compaction(true);
  apply_up_to(300, kHeldBytes / 100);
  EXPECT_GT(storage_.first_index(), kFounded + 1);
  EXPECT_LE(storage_.first_index(), Index(300 - kCatchUp + 1));
}

TEST_F(RaftOwnerTest, IsNotLedByItself) {
  raft::Message message;
  message.type = raft::MessageType::heartbeat;
  message.from = message.to = MemberId(1);
  message.term = Term(9);
  owner_->post_message(message);
  executor_.run();
  EXPECT_TRUE(board_.is_leader());
  EXPECT_LT(owner_->node().term(), Term(9));
}

}  // namespace
}  // namespace holdfast::server
