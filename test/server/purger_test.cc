#include "server/purger.h"

#include <optional>
#include <string>
#include <vector>

#include "gtest/gtest.h"
#include "sim/sim_disk.h"
#include "test/manual_executor.h"
#include "test/throwing_process.h"

namespace holdfast::server {
namespace {

struct PurgerTest : ::testing::Test {
  PurgerTest() {
    for (const char* directory : {"/wal", "/snap"}) EXPECT_TRUE(disk.create_directories(directory).ok());
  }
  void put(const std::string& path) { ASSERT_TRUE(disk.open(path, env::OpenMode::create).ok()); }
  void start(size_t keep_wals, size_t keep_snaps) {
    purger.emplace(executor, disk, process, log, Purger::Options{"/wal", "/snap", keep_wals, keep_snaps});
    purger->start();
    executor.run();
  }

  void pass(env::Duration time) {
    clock.advance(time);
    executor.run();
  }

  sim::SimDisk disk{1};
  ManualClock clock;
  ManualExecutor executor{clock};
  ThrowingProcess process;
  NullLogger log;
  std::optional<Purger> purger;
};

// DIR-04
TEST_F(PurgerTest, KeepsTheNewest) {
  for (int i = 1; i <= 4; ++i) {
    put("/wal/000000000000000" + std::to_string(i) + "-0000000000000000.wal");
    put("/snap/0000000000000001-000000000000000" + std::to_string(i) + ".snap");
  }
  start(2, 3);
  EXPECT_EQ(*disk.list("/wal"), (std::vector<std::string>{"0000000000000003-0000000000000000.wal",
                                                          "0000000000000004-0000000000000000.wal"}));
  EXPECT_EQ(disk.list("/snap")->size(), 3u);
  put("/snap/0000000000000001-0000000000000005.snap");
  pass(std::chrono::seconds(30));
  EXPECT_EQ(*disk.list("/snap"), (std::vector<std::string>{"0000000000000001-0000000000000003.snap",
                                                           "0000000000000001-0000000000000004.snap",
                                                           "0000000000000001-0000000000000005.snap"}));
}

// One may wait to be installed while later ones come.
TEST_F(PurgerTest, LeavesReceivedDatabases) {
  for (int i = 1; i <= 4; ++i) put("/snap/000000000000000" + std::to_string(i) + ".snap.db");
  start(1, 1);
  EXPECT_EQ(disk.list("/snap")->size(), 4u);
}

TEST_F(PurgerTest, DeletesNothingOnceStopped) {
  start(1, 1);
  purger->stop();
  executor.run();
  for (int i = 1; i <= 4; ++i) put("/wal/000000000000000" + std::to_string(i) + "-0000000000000000.wal");
  pass(std::chrono::minutes(5));
  EXPECT_EQ(disk.list("/wal")->size(), 4u);
}

}  // namespace
}  // namespace holdfast::server
