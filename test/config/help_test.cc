// The table and what is made from it.
#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>
#include <set>
#include <sstream>

#include "apps/holdfast/command_line.h"
#include "apps/holdfast/flag_table.h"

namespace holdfast::config {
namespace {

TEST(FlagTable, NamesAndFileKeysAreUnique) {
  std::set<std::string_view> names;
  std::set<std::string> keys;
  for (const Flag& flag : flag_table()) {
    EXPECT_TRUE(names.insert(flag.name).second) << flag.name;
    EXPECT_FALSE(flag.help.empty()) << flag.name;
    if (flag.file_key == "-") continue;
    EXPECT_TRUE(keys.insert(std::string(flag.file_key.empty() ? flag.name : flag.file_key)).second)
        << flag.name;
  }
}

// F-001..F-104: etcd 3.7.1 has 112 flags beside version, help and the ignored ones.
TEST(FlagTable, HasEveryFlagOfEtcd) {
  EXPECT_EQ(flag_table().size(), 112u);
  EXPECT_EQ(ignored_flags().size(), 15u);
}

TEST(FlagTable, DefaultsPrintAsTheyAreWritten) {
  const Config config = default_config();
  for (const Flag& flag : flag_table())
    if (!std::holds_alternative<env::Duration& (*)(Config&)>(flag.field) &&
        flag.name != "feature-gates") {
      EXPECT_EQ(value_text(flag, config), flag.default_text) << flag.name;
    }
}

TEST(Help, NamesEveryFlag) {
  const std::string text = flags_text();
  for (const Flag& flag : flag_table())
    EXPECT_NE(text.find("  --" + std::string(flag.name) + " '"), std::string::npos) << flag.name;
  EXPECT_NE(text.find("FastLeaseKeepAlive=true|false (BETA - default=true)"), std::string::npos);
}

TEST(Help, PageIsUpToDate) {
  const char* path = "docs/flags.md";
  if (std::getenv("HOLDFAST_REWRITE") != nullptr) std::ofstream(path) << flags_markdown();
  std::ostringstream page;
  page << std::ifstream(path).rdbuf();
  EXPECT_EQ(page.str(), flags_markdown()) << "run with HOLDFAST_REWRITE=1";
}

}  // namespace
}  // namespace holdfast::config
