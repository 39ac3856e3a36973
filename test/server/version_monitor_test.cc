#include "server/version_monitor.h"

#include "gtest/gtest.h"

namespace holdfast::server {
namespace {

// VER-01
TEST(LowestVersionTest, IsTheMinimumByNumber) {
  EXPECT_EQ(lowest_version({"3.7.1", "3.10.0", "3.6.9"}), "3.6.0");
  EXPECT_EQ(lowest_version({"3.10.2"}), "3.10.0");
  EXPECT_EQ(lowest_version({"3.7.1", std::nullopt}), std::nullopt);
  EXPECT_EQ(lowest_version({"3"}), std::nullopt);
  EXPECT_EQ(lowest_version({}), std::nullopt);
}

TEST(VersionLessTest, ComparesNumbersNotText) {
  EXPECT_TRUE(version_less("3.9.0", "3.10.0"));
  EXPECT_FALSE(version_less("3.7.0", "3.7.1")) << "patch levels do not count";
}

}  // namespace
}  // namespace holdfast::server
