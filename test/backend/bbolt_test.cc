// What the writer makes, the reader and etcd's own tools read; what is damaged, is refused.
#include <cstdio>
#include <cstdlib>
#include <fstream>

#include "backend/bbolt_format.h"
#include "backend/revision_key.h"
#include "base/errors.h"
#include "base/random.h"
#include "gtest/gtest.h"
#include "test/backend/bbolt_fixture.h"
#include "test/backend/temporary_folder.h"

namespace holdfast::backend {
namespace {

std::string revision(int64_t main, int64_t sub = 0) {
  return std::string(RevisionKeyBytes(RevisionPair{main, sub}));
}

Contents small() {
  Contents contents;
  for (int i = 0; i < 300; ++i) contents[{"key", revision(i + 2)}] = "value " + std::to_string(i);
  contents[{"meta", "consistent_index"}] = std::string("\0\0\0\0\0\0\1\2", 8);
  contents[{"members", "8e9e05c52164694d"}] = R"({"id":10276657743932975437})";
  return contents;
}

TEST(Bbolt, AnEmptyStateHasAllBuckets) {  // BKT-01
  const std::string bytes = write_bbolt(Contents{});
  EXPECT_EQ(bytes.size(), (3 + kBucketCount + 1) * bbolt::kPageBytes);
  auto back = read_bbolt(bytes);
  ASSERT_TRUE(back.ok()) << back.status();
  EXPECT_TRUE(back->empty());
}

TEST(Bbolt, ReadsBackWhatWasWritten) {
  auto back = read_bbolt(write_bbolt(small()));
  ASSERT_TRUE(back.ok()) << back.status();
  EXPECT_EQ(*back, small());
}

TEST(Bbolt, IsTheSameInPiecesOfAnySize) {
  const std::string whole = write_bbolt(small());
  for (const size_t chunk : {1, 7, 4096, 1 << 20}) EXPECT_EQ(write_bbolt(small(), chunk), whole);
}

// Sizes around a page and around what shares a run; names longer than LMDB takes.
TEST(Bbolt, RecordsOfAllSizes) {
  Contents contents;
  int64_t main = 2;
  for (size_t bytes = 3900; bytes < 4200; ++bytes)
    contents[{"key", revision(main++)}] = std::string(bytes, 'a');
  for (const size_t bytes : {0, 1, 1000, 1001, 32 << 10, 32 << 10, 1 << 20, 3, 5 << 20})
    contents[{"key", revision(main++)}] = std::string(bytes, 'b');
  for (size_t bytes = 1; bytes < 9000; bytes += 700)
    contents[{"authUsers", std::string(bytes, 'u')}] = std::string(bytes, 'p');
  auto back = read_bbolt(write_bbolt(contents));
  ASSERT_TRUE(back.ok()) << back.status();
  EXPECT_EQ(*back, contents);
}

TEST(Bbolt, RandomStates) {
  for (uint64_t seed = 1; seed <= 60; ++seed) {
    Random random(seed);
    Contents contents;
    const uint64_t largest = uint64_t{1} << random.below(14);
    const uint64_t records = random.below(3000);
    for (uint64_t i = 0; i < records; ++i) {
      const Bucket bucket = kBucketsByName[random.below(kBucketCount)];
      std::string key = bucket == Bucket::key
                            ? revision(static_cast<int64_t>(random.below(1 << 20)))
                            : std::string(1 + random.below(random.below(20) == 0 ? 3000 : 30),
                                          static_cast<char>('a' + random.below(26)));
      contents[{std::string(name(bucket)), key}] = std::string(random.below(largest), 'v');
    }
    auto back = read_bbolt(write_bbolt(contents, 1 + random.below(100'000)));
    ASSERT_TRUE(back.ok()) << seed << back.status();
    ASSERT_EQ(*back, contents) << seed;
  }
}

// 17 bytes a key: three levels of branches.
TEST(Bbolt, DeepTree) {
  auto image = std::make_shared<MemoryImage>();
  auto& bucket = image->state->buckets[static_cast<size_t>(Bucket::key)];
  constexpr int64_t kRecords = 400'000;
  const std::string value(150, 'x');
  for (int64_t i = 0; i < kRecords; ++i) bucket.emplace_hint(bucket.end(), revision(i), value);
  auto engine = make_memory_engine(image);
  auto reader = engine->make_reader();
  reader->begin();
  const std::string bytes = write_bbolt(*reader, 1 << 20);
  reader->end();
  auto file = open_bbolt(bytes);
  ASSERT_TRUE(file.ok());
  auto cursor = (*file)->cursor(Bucket::key);
  int64_t found = 0;
  while (*cursor->next()) ASSERT_EQ(cursor->key(), revision(found++));
  EXPECT_EQ(found, kRecords);
  // Little but the records and their headers.
  EXPECT_LT(bytes.size(), kRecords * (150 + 17 + 16) * 1.03);
}

// As bbolt makes them: a leaf page inside the root's element.
TEST(Bbolt, InlineBuckets) {
  std::string bytes = write_bbolt(Contents{});
  std::string leaf;
  bbolt::append_header(leaf, {0, bbolt::kLeafPage, 1, 0});
  for (const uint32_t field : {0u, 16u, 3u, 5u}) bbolt::append32(leaf, field);
  leaf += "keyvalue";
  std::string value;
  bbolt::append64(value, 0);
  bbolt::append64(value, 0);
  value += leaf;
  std::string root;
  const uint64_t page = bytes.size() / bbolt::kPageBytes - 1;
  bbolt::append_header(root, {page, bbolt::kLeafPage, 1, 0});
  for (const uint32_t field : {1u, 16u, 4u, static_cast<uint32_t>(value.size())})
    bbolt::append32(root, field);
  root += "auth" + value;
  bytes.replace(page * bbolt::kPageBytes, root.size(), root);
  auto back = read_bbolt(bytes);
  ASSERT_TRUE(back.ok()) << back.status();
  EXPECT_EQ(*back, (Contents{{{"auth", "key"}, "value"}}));
}

TEST(Bbolt, TheNewerMetaPageCounts) {
  std::string bytes = write_bbolt(small());
  bytes[20] ^= 1;  // meta 0: version
  auto back = read_bbolt(bytes);
  ASSERT_TRUE(back.ok()) << back.status();
  EXPECT_EQ(*back, small());
  bytes[bbolt::kPageBytes + 70] ^= 1;
  EXPECT_EQ(message(read_bbolt(bytes).status()),
            "bbolt file x.db: page 0 at offset 0: unknown version of the format");
}

TEST(Bbolt, RefusesWhatIsNone) {
  EXPECT_EQ(message(read_bbolt("").status()),
            "bbolt file x.db: page 0 at offset 0: no bbolt file (wrong magic number)");
  EXPECT_FALSE(read_bbolt(std::string(100'000, 'x')).ok());
}

TEST(Bbolt, RefusesWhatIsCutOff) {
  const std::string bytes = write_bbolt(small());
  for (size_t left = 0; left < bytes.size(); left += 511) {
    const auto back = read_bbolt(std::string_view(bytes).substr(0, left));
    ASSERT_EQ(back.status().code(), absl::StatusCode::kDataLoss) << left;
  }
}

TEST(Bbolt, RefusesBucketsOfOthers) {
  std::string bytes = write_bbolt(small());
  bytes.replace(bytes.rfind("meta"), 4, "text");
  EXPECT_EQ(message(read_bbolt(bytes).status()), "bbolt file x.db: bucket \"text\" is none of etcd's");
}

// Single bytes of the file, in turn: never a crash, never a loop, and what is read is as large as before or refused.
TEST(Bbolt, AnyDamagedByte) {
  Contents contents;
  for (int i = 0; i < 120; ++i) contents[{"key", revision(i)}] = std::string(60, 'v');
  std::string bytes = write_bbolt(contents);
  size_t refused = 0;
  for (size_t at = 0; at < bytes.size(); at += bytes[at] == 0 ? 13 : 1) {
    if (bytes[at] == 'v') continue;
    const char before = std::exchange(bytes[at], static_cast<char>(bytes[at] ^ (1 + at % 255)));
    const auto back = read_bbolt(bytes);
    if (!back.ok()) {
      ++refused;
    } else {
      ASSERT_LE(back->size(), contents.size()) << at;
    }
    bytes[at] = before;
  }
  EXPECT_GT(refused, 300u);
}

TEST(Bbolt, LoopsEnd) {
  Contents contents;
  for (int i = 0; i < 1000; ++i) contents[{"key", revision(i)}] = std::string(60, 'v');
  std::string bytes = write_bbolt(contents);
  // The first branch page: all children become the page itself.
  for (size_t page = 3; page * bbolt::kPageBytes < bytes.size(); ++page) {
    char* at = bytes.data() + page * bbolt::kPageBytes;
    const bbolt::PageHeader header = bbolt::decode_header(at);
    if (header.flags != bbolt::kBranchPage) continue;
    for (size_t i = 0; i < header.count; ++i)
      std::memcpy(at + bbolt::kPageHeaderBytes + i * 16 + 8, &page, sizeof page);
  }
  const auto back = read_bbolt(bytes);
  EXPECT_EQ(back.status().code(), absl::StatusCode::kDataLoss) << back.status();
}

// etcd's tool opens the file with bbolt itself, runs its consistency check and counts (TRP-58, UTL-03).
TEST(Bbolt, EtcdReadsIt) {
  if (std::system("command -v etcdctl >/dev/null") != 0) GTEST_SKIP() << "no etcdctl here";
  TemporaryFolder folder;
  Contents contents;
  for (int i = 0; i < 20'000; ++i)
    contents[{"key", revision(i + 2)}] = std::string(static_cast<size_t>(i % 700), 'v');
  contents[{"key", revision(30'000)}] = std::string(3 << 20, 'v');
  for (int i = 0; i < 50; ++i)
    contents[{"authUsers", std::string(1 + 300 * static_cast<size_t>(i), 'u')}] = "user";
  const std::string path = folder.path() + "/snapshot.db";
  std::ofstream(path, std::ios::binary) << write_bbolt(contents);
  const std::string command =
      "ETCDCTL_API=3 etcdctl snapshot status -w json " + path + " > " + folder.path() + "/out 2>&1";
  const int code = std::system(command.c_str());
  std::ifstream in(folder.path() + "/out");
  const std::string out{std::istreambuf_iterator<char>(in), {}};
  EXPECT_EQ(code, 0) << out;
  EXPECT_NE(out.find("\"revision\":30000"), std::string::npos) << out;
  EXPECT_NE(out.find("\"totalKey\":20051"), std::string::npos) << out;
  // bbolt's own tool, where there is one.
  if (std::system("command -v bbolt >/dev/null") != 0) return;
  EXPECT_EQ(std::system(("bbolt check " + path).c_str()), 0);
}

}  // namespace
}  // namespace holdfast::backend
