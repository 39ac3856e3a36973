// Whole files, byte for byte: etcd's own where they are at hand, and ours in test/raft/transcripts.
// (RAL-01 to RAL-16)
#include "raft-transcript/transcript.h"

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

#include "gtest/gtest.h"

namespace holdfast::transcript {
namespace {

namespace fs = std::filesystem;

std::vector<fs::path> files_below(const fs::path& folder) {
  std::vector<fs::path> files;
  if (!fs::is_directory(folder)) return files;
  for (const auto& entry : fs::recursive_directory_iterator(folder)) {
    if (entry.path().extension() == ".txt") files.push_back(entry.path());
  }
  std::sort(files.begin(), files.end());
  return files;
}

void check(const fs::path& path) {
  SCOPED_TRACE(path.string());
  std::ifstream stream(path, std::ios::binary);
  const std::string file{std::istreambuf_iterator<char>(stream), {}};
  const auto result = run(file);
  ASSERT_TRUE(result.ok()) << result.status();
  EXPECT_EQ(result->difference, "");
  EXPECT_TRUE(result->text == file);
}

TEST(Transcripts, OfEtcdComeOutByteForByte) {
  const char* named = std::getenv("HOLDFAST_RAFT_TRANSCRIPTS");
  const fs::path folder = named != nullptr ? named : "../shared/raft-transcripts";
  const std::vector<fs::path> files = files_below(folder);
  if (files.empty())
    GTEST_SKIP() << "no transcripts in " << folder
                 << "; set HOLDFAST_RAFT_TRANSCRIPTS to where they are";
  for (const fs::path& file : files) check(file);
}

TEST(Transcripts, OfOurOwnComeOutByteForByte) {
  const std::vector<fs::path> files = files_below("test/raft/transcripts");
  ASSERT_FALSE(files.empty());
  for (const fs::path& file : files) check(file);
}

}  // namespace
}  // namespace holdfast::transcript
