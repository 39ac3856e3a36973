#include "server/read_index.h"

#include "base/errors.h"
#include "base/wire.h"
#include "gtest/gtest.h"
#include "test/manual_executor.h"

namespace holdfast::server {
namespace {

class FakeRaft : public ReadIndexRequester {
 public:
  void request_read_index(uint64_t id) override { ids.push_back(id); }
  std::vector<uint64_t> ids;
};

class ReadIndexTest : public testing::Test {
 protected:
  void read(int* answered) {
    reads_.add({&executor_, [answered, this](absl::Status status) {
                  ++*answered;
                  last_ = status;
                }});
  }
  static raft::ReadState state(uint64_t id, uint64_t index) {
    std::string context;
    wire::append_be64(context, id);
    return {Index(index), SharedBytes(context)};
  }
  ManualClock clock_;
  ManualExecutor executor_{clock_};
  RequestIdGenerator ids_{MemberId(1), 0};
  RaftBoard board_;
  FakeRaft raft_;
  NullLogger log_;
  env::NullMetrics metrics_;
  absl::Status last_;
  ReadIndex reads_{executor_, ids_, board_, raft_, log_, metrics_,
                   {.request_timeout = std::chrono::seconds(7)}};
};

// RD-01
TEST_F(ReadIndexTest, WaitingReadersShareARoundAndLaterOnesTheNext) {
  board_.set_applied(Index(10), Term(1));
  int first = 0, second = 0;
  read(&first);
  read(&first);
  executor_.run();
  ASSERT_EQ(raft_.ids.size(), 1u);
  read(&second);
  executor_.run();
  EXPECT_EQ(raft_.ids.size(), 1u) << "a round is under way";
  reads_.on_read_states({state(raft_.ids[0], 10)});
  executor_.run();
  EXPECT_EQ(first, 2);
  EXPECT_EQ(second, 0);
  ASSERT_EQ(raft_.ids.size(), 2u);
  reads_.on_read_states({state(raft_.ids[1], 10)});
  executor_.run();
  EXPECT_EQ(second, 1);
}

// RD-06, PUT-19
TEST_F(ReadIndexTest, WaitsUntilTheIndexIsApplied) {
  board_.set_applied(Index(4), Term(1));
  int answered = 0;
  read(&answered);
  executor_.run();
  reads_.on_read_states({state(raft_.ids[0], 6)});
  executor_.run();
  EXPECT_EQ(answered, 0);
  board_.set_applied(Index(5), Term(1));
  reads_.on_applied();
  executor_.run();
  EXPECT_EQ(answered, 0);
  board_.set_applied(Index(6), Term(1));
  reads_.on_applied();
  executor_.run();
  EXPECT_EQ(answered, 1);
  EXPECT_TRUE(last_.ok());
}

// RD-02, RD-03
TEST_F(ReadIndexTest, RetriesUnderANewIdAndTakesAnswersToAnyOfTheRound) {
  int answered = 0;
  read(&answered);
  executor_.run();
  clock_.advance(std::chrono::milliseconds(500));
  executor_.run();
  ASSERT_EQ(raft_.ids.size(), 2u);
  EXPECT_NE(raft_.ids[0], raft_.ids[1]);
  reads_.on_read_states({state(12345, 0)});
  executor_.run();
  EXPECT_EQ(answered, 0) << "an id of no round";
  reads_.on_read_states({state(raft_.ids[0], 0)});
  executor_.run();
  EXPECT_EQ(answered, 1);
  int next = 0;
  read(&next);
  executor_.run();
  reads_.on_read_states({state(raft_.ids[1], 0)});
  executor_.run();
  EXPECT_EQ(next, 0) << "an answer to the round before must not confirm this one";
}

// RD-04, TRP-48
TEST_F(ReadIndexTest, LeaderChangeFailsTheRound) {
  int answered = 0;
  read(&answered);
  executor_.run();
  reads_.on_leader_change();
  reads_.on_read_states({state(raft_.ids[0], 0)});
  executor_.run();
  EXPECT_EQ(answered, 1);
  EXPECT_TRUE(is(last_, EtcdError::leader_changed));
}

TEST_F(ReadIndexTest, FirstCommitInTermAsksAgainAtOnce) {
  int answered = 0;
  read(&answered);
  executor_.run();
  reads_.on_first_commit_in_term();
  EXPECT_EQ(raft_.ids.size(), 2u);
}

// RD-05
TEST_F(ReadIndexTest, GivesUpAfterTheRequestTimeout) {
  int answered = 0;
  read(&answered);
  executor_.run();
  for (int i = 0; i < 14; ++i) {
    clock_.advance(std::chrono::milliseconds(500));
    executor_.run();
  }
  EXPECT_EQ(answered, 1);
  EXPECT_TRUE(is(last_, EtcdError::timeout));
  EXPECT_EQ(executor_.timers(), 0u);
}

// Readers of a round are answered each on its own executor, in the order in which they came.
TEST_F(ReadIndexTest, AnswersWhereItWasAsked) {
  ManualExecutor other{clock_};
  std::string order;
  const auto ask = [&](env::Executor& executor, char name) {
    reads_.add({&executor, [&order, name](absl::Status) { order += name; }});
  };
  ask(executor_, 'a');
  ask(other, 'x');
  ask(executor_, 'b');
  ask(other, 'y');
  executor_.run();
  ASSERT_EQ(raft_.ids.size(), 1u);
  reads_.on_read_states({state(raft_.ids[0], 0)});
  executor_.run();
  EXPECT_EQ(order, "ab");
  other.run();
  EXPECT_EQ(order, "abxy");
}

TEST_F(ReadIndexTest, CloseAnswersEverybody) {
  int a = 0, b = 0, c = 0;
  read(&a);
  executor_.run();
  read(&b);
  reads_.close(error(EtcdError::stopped));
  read(&c);
  executor_.run();
  EXPECT_EQ(a + b + c, 3);
  EXPECT_TRUE(is(last_, EtcdError::stopped));
}

}  // namespace
}  // namespace holdfast::server
