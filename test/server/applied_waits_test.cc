#include "server/applied_waits.h"

#include <vector>

#include "base/errors.h"
#include "gtest/gtest.h"
#include "test/manual_executor.h"

namespace holdfast::server {
namespace {

using std::chrono::milliseconds;

struct AppliedWaitsTest : ::testing::Test {
  void wait() {
    waits.wait(caller, [this](absl::Status status) { answers.push_back(std::move(status)); });
  }
  void run() {
    apply.run();
    caller.run();
  }
  void apply_to(uint64_t index) {
    board.set_applied(Index(index), Term(1));
    waits.on_applied(Index(index), Term(1));
    run();
  }

  ManualClock clock;
  ManualExecutor apply{clock}, caller{clock};
  RaftBoard board;
  AppliedWaits waits{apply, board};
  std::vector<absl::Status> answers;
};

TEST_F(AppliedWaitsTest, WaitsForWhatIsCommittedNow) {
  board.set_committed(Index(5));
  wait();
  EXPECT_TRUE(answers.empty()) << "never inside the call";
  run();
  apply_to(4);
  EXPECT_TRUE(answers.empty());
  board.set_committed(Index(9));
  wait();
  run();
  apply_to(5);
  ASSERT_EQ(answers.size(), 1u) << "what is committed later is not waited for";
  EXPECT_TRUE(answers[0].ok());
  apply_to(20);
  ASSERT_EQ(answers.size(), 2u);
  EXPECT_TRUE(answers[1].ok());
}

TEST_F(AppliedWaitsTest, NothingToWaitFor) {
  board.set_committed(Index(5));
  board.set_applied(Index(5), Term(1));
  wait();
  run();
  ASSERT_EQ(answers.size(), 1u);
  EXPECT_TRUE(answers[0].ok());
}

// FWD-02
TEST_F(AppliedWaitsTest, ASecondIsTheBound) {
  board.set_committed(Index(5));
  wait();
  run();
  clock.advance(milliseconds(500));
  wait();
  run();
  clock.advance(milliseconds(500));
  run();
  ASSERT_EQ(answers.size(), 1u);
  EXPECT_TRUE(is(answers[0], EtcdError::timeout_wait_applied_index)) << answers[0];
  clock.advance(milliseconds(500));
  run();
  ASSERT_EQ(answers.size(), 2u);
  apply_to(5);
  EXPECT_EQ(answers.size(), 2u) << "each is answered once";
}

TEST_F(AppliedWaitsTest, StopAnswersAll) {
  board.set_committed(Index(5));
  wait();
  run();
  waits.stop();
  wait();
  run();
  ASSERT_EQ(answers.size(), 2u);
  for (const absl::Status& status : answers) EXPECT_TRUE(is(status, EtcdError::stopped)) << status;
}

}  // namespace
}  // namespace holdfast::server
