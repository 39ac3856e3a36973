#include "server/auto_compactor.h"

#include <optional>
#include <vector>

#include "base/errors.h"
#include "gtest/gtest.h"
#include "rpc.pb.h"
#include "test/manual_executor.h"

namespace holdfast::server {
namespace {

using std::chrono::hours;
using std::chrono::minutes;
using std::chrono::seconds;

// Notes the revisions of compactions.
class Compactions : public Proposer {
 public:
  void propose(const CallContext& context, Command command, std::string_view request, ProposalDone done) override {
    EXPECT_EQ(command, Command::compaction);
    etcdserverpb::CompactionRequest parsed;
    EXPECT_TRUE(parsed.ParseFromString(std::string(request)));
    EXPECT_FALSE(parsed.physical());
    revisions.push_back(parsed.revision());
    auto result = std::make_unique<apply::Result>();
    result->status = answer;
    context.reply_on->post([result = std::move(result), done = std::move(done)]() mutable { done(std::move(result)); });
  }
  std::vector<int64_t> revisions;
  absl::Status answer;
};

struct AutoCompactorTest : ::testing::Test {
  void start(AutoCompaction options) {
    compactor.emplace(AutoCompactor::Parts{executor, compactions, [this] { return Revision(revision); },
                                           [this] { return leads; }, log},
                      options);
    compactor->start();
    executor.run();
  }
  // A revision a minute.
  void pass(env::Duration time) {
    for (env::Duration passed{}; passed < time; passed += minutes(1)) {
      ++revision;
      clock.advance(minutes(1));
      executor.run();
    }
  }

  ManualClock clock;
  ManualExecutor executor{clock};
  NullLogger log;
  Compactions compactions;
  int64_t revision = 1;
  bool leads = true;
  std::optional<AutoCompactor> compactor;
};

using Mode = AutoCompaction::Mode;
using Revisions = std::vector<int64_t>;

// OPS-12
TEST_F(AutoCompactorTest, KeepsAPeriod) {
  start({Mode::periodic, minutes(30), 0});
  pass(minutes(29));
  EXPECT_EQ(compactions.revisions, Revisions{});
  pass(minutes(1));
  EXPECT_EQ(compactions.revisions, Revisions{1});
  pass(minutes(60));
  EXPECT_EQ(compactions.revisions, (Revisions{1, 28, 58})) << "a period before the last sample";
}

// OPS-12: once an hour, of what is older than the whole period.
TEST_F(AutoCompactorTest, ALongPeriodIsLookedAtEachHour) {
  start({Mode::periodic, hours(3), 0});
  pass(hours(3) - minutes(1));
  EXPECT_EQ(compactions.revisions, Revisions{});
  pass(minutes(1));
  EXPECT_EQ(compactions.revisions, Revisions{1});
  pass(hours(2));
  EXPECT_EQ(compactions.revisions, (Revisions{1, 55, 115}));
}

// OPS-12
TEST_F(AutoCompactorTest, AFailureIsTriedAgainAtTheNextStep) {
  start({Mode::periodic, minutes(30), 0});
  compactions.answer = error(EtcdError::no_leader);
  pass(minutes(30));
  compactions.answer = absl::OkStatus();
  pass(minutes(3));
  EXPECT_EQ(compactions.revisions, (Revisions{1, 1}));
  // Somebody else has compacted: as good.
  compactions.answer = error(EtcdError::compacted);
  pass(minutes(60));
  EXPECT_EQ(compactions.revisions.size(), 4u);
}

// OPS-12, TRP-69
TEST_F(AutoCompactorTest, OthersPause) {
  leads = false;
  start({Mode::periodic, minutes(10), 0});
  pass(minutes(60));
  EXPECT_EQ(compactions.revisions, Revisions{});
  leads = true;
  pass(minutes(1));
  EXPECT_EQ(compactions.revisions, Revisions{51}) << "its samples are there already";
}

// OPS-12
TEST_F(AutoCompactorTest, NothingNewIsNotCompacted) {
  start({Mode::periodic, minutes(10), 0});
  for (int i = 0; i < 60; ++i) {
    clock.advance(minutes(1));
    executor.run();
  }
  EXPECT_EQ(compactions.revisions, Revisions{1});
}

// OPS-13
TEST_F(AutoCompactorTest, KeepsSoManyRevisions) {
  start({Mode::revision, {}, 8});
  pass(minutes(5));
  EXPECT_EQ(compactions.revisions, Revisions{}) << "there are not so many";
  pass(minutes(10));
  EXPECT_EQ(compactions.revisions, (Revisions{3, 8}));
  leads = false;
  pass(minutes(10));
  EXPECT_EQ(compactions.revisions.size(), 2u);
}

TEST_F(AutoCompactorTest, OffAndStopped) {
  start({});
  EXPECT_EQ(executor.timers(), 0u);
  start({Mode::revision, {}, 1});
  compactor->stop();
  pass(minutes(20));
  EXPECT_EQ(compactions.revisions, Revisions{});
}

}  // namespace
}  // namespace holdfast::server
