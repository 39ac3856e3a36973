#include <cstdio>
#include <set>

#include "fmt/format.h"
#include "gtest/gtest.h"
#include "os/process_exit.h"
#include "os/system_clock.h"
#include "os/system_random.h"

namespace holdfast::os {
namespace {

class StderrLogger : public Logger {
 public:
  void write(LogLevel level, std::string_view message, const std::vector<LogField>&, const char*,
             int) override {
    pending_ = fmt::format("{}: {}\n", to_string(level), message);
  }
  bool enabled(LogLevel) const override { return true; }
  void flush() { fputs(pending_.c_str(), stderr); }

 private:
  std::string pending_;
};

TEST(ProcessExitDeathTest, WritesTheMessageFlushesAndExitsWithOne) {
  ::testing::FLAGS_gtest_death_test_style = "threadsafe";
  StderrLogger logger;
  ProcessExit process(logger, [&] { logger.flush(); });
  EXPECT_EXIT(process.die("the disk lies"), ::testing::ExitedWithCode(1), "fatal: the disk lies");
}

TEST(SystemClock, MonotonicNeverGoesBack) {
  SystemClock clock;
  env::Instant last = clock.now();
  for (int i = 0; i < 1000; ++i) {
    const env::Instant now = clock.now();
    EXPECT_GE(now, last);
    last = now;
  }
  EXPECT_GT(clock.unix_nanoseconds(), int64_t{1'600'000'000} * 1'000'000'000);
}

TEST(SystemRandom, DiffersBetweenInstances) {
  std::set<uint64_t> seen;
  for (int i = 0; i < 20; ++i) seen.insert(SystemRandom().next());
  EXPECT_EQ(seen.size(), 20u);
}

}  // namespace
}  // namespace holdfast::os
