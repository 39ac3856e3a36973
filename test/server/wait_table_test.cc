#include "server/wait_table.h"

#include "base/errors.h"
#include "gtest/gtest.h"
#include "test/manual_executor.h"

namespace holdfast::server {
namespace {

using std::chrono::seconds;

class WaitTableTest : public testing::Test {
 protected:
  WaitTable::Waiter waiter(env::Duration patience, absl::Status* answer) {
    return {&executor_, clock_.now(), clock_.now() + patience, Command::put,
            [answer, this](std::unique_ptr<apply::Result> result) {
              *answer = result->status;
              ++answers_;
            }};
  }
  ManualClock clock_;
  ManualExecutor executor_{clock_};
  env::NullMetrics null_;
  RequestMetrics metrics_{null_};
  WaitTable table_{clock_, metrics_};
  int answers_ = 0;
};

// PUT-08
TEST_F(WaitTableTest, AnswersOnceOnTheWaitersExecutor) {
  absl::Status answer = absl::UnknownError("none yet");
  table_.add(7, waiter(seconds(7), &answer));
  EXPECT_TRUE(table_.contains(7));
  auto result = std::make_unique<apply::Result>();
  EXPECT_TRUE(table_.trigger(7, std::move(result)));
  EXPECT_EQ(answers_, 0) << "the answer must not come inside the call";
  executor_.run();
  EXPECT_EQ(answers_, 1);
  EXPECT_TRUE(answer.ok());
  EXPECT_FALSE(table_.trigger(7, std::make_unique<apply::Result>()));
  EXPECT_FALSE(table_.contains(7));
}

TEST_F(WaitTableTest, ManyAreAnsweredWithOneTaskAnExecutor) {
  absl::Status a, b, c;
  ManualExecutor other(clock_);
  table_.add(1, waiter(seconds(7), &a));
  table_.add(2, waiter(seconds(7), &b));
  table_.add(3, waiter(seconds(7), &c));
  WaitTable::Waiter elsewhere = waiter(seconds(7), &c);
  elsewhere.reply_on = &other;
  table_.add(4, std::move(elsewhere));
  std::vector<WaitTable::Answer> answers;
  for (const uint64_t id : {4, 2, 9, 1}) {  // nobody waits for 9
    answers.push_back({id, std::make_unique<apply::Result>()});
    answers.back().result->status = error(id == 2 ? EtcdError::no_space : EtcdError::timeout);
  }
  table_.trigger_all(answers);
  EXPECT_TRUE(answers.empty());
  EXPECT_EQ(answers_, 0);
  executor_.run();
  EXPECT_EQ(answers_, 2);
  EXPECT_TRUE(is(a, EtcdError::timeout));
  EXPECT_TRUE(is(b, EtcdError::no_space));
  EXPECT_EQ(table_.size(), 1u);
  other.run();
  EXPECT_EQ(answers_, 3);
  table_.trigger_all(answers);
  executor_.run();
  EXPECT_EQ(answers_, 3);
}

TEST_F(WaitTableTest, TakesOnlyWhatIsDueInWhateverOrderItCame) {
  absl::Status a, b, c;
  table_.add(1, waiter(seconds(7), &a));
  table_.add(2, waiter(seconds(1), &b));  // a shorter deadline behind a longer one
  table_.add(3, waiter(seconds(9), &c));
  clock_.advance(seconds(2));
  auto due = table_.take_due(clock_.now());
  ASSERT_EQ(due.size(), 1u);
  table_.give_up(std::move(due[0]), error(EtcdError::timeout));
  clock_.advance(seconds(5));
  EXPECT_EQ(table_.take_due(clock_.now()).size(), 1u);
  EXPECT_EQ(table_.size(), 1u);
  EXPECT_TRUE(table_.contains(3));
  executor_.run();
  EXPECT_TRUE(is(b, EtcdError::timeout));
}

TEST_F(WaitTableTest, WhatWasAnsweredIsNotDue) {
  absl::Status a;
  table_.add(1, waiter(seconds(1), &a));
  table_.trigger(1, std::make_unique<apply::Result>());
  clock_.advance(seconds(2));
  EXPECT_TRUE(table_.take_due(clock_.now()).empty());
}

// PUT-11
TEST_F(WaitTableTest, CloseAnswersAllAndThoseWhoComeLater) {
  absl::Status a, b;
  table_.add(1, waiter(seconds(7), &a));
  table_.close(error(EtcdError::stopped));
  table_.add(2, waiter(seconds(7), &b));
  executor_.run();
  EXPECT_TRUE(is(a, EtcdError::stopped));
  EXPECT_TRUE(is(b, EtcdError::stopped));
  EXPECT_EQ(answers_, 2);
}

TEST_F(WaitTableTest, DuplicateIdEndsTheProcess) {
  absl::Status a;
  table_.add(1, waiter(seconds(7), &a));
  EXPECT_DEATH(table_.add(1, waiter(seconds(7), &a)), "duplicate request id");
}

}  // namespace
}  // namespace holdfast::server
