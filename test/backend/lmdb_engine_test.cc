// What the LMDB engine refuses, and that a refusal damages nothing.
#include "backend/lmdb_engine.h"

#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <filesystem>
#include <fstream>

#include "backend/revision_key.h"
#include "base/log.h"
#include "gtest/gtest.h"
#include "os/posix_file_system.h"
#include "test/backend/temporary_folder.h"
#include "test/backend/test_world.h"

namespace holdfast::backend {
namespace {

class LmdbEngineTest : public testing::Test {
 protected:
  absl::StatusOr<std::unique_ptr<Engine>> open() {
    return open_lmdb_engine({.path = path}, files, process, log);
  }
  void write_file(const std::string& bytes) { std::ofstream(path, std::ios::binary) << bytes; }
  std::string file_bytes() {
    std::ifstream in(path, std::ios::binary);
    return {std::istreambuf_iterator<char>(in), {}};
  }
  void fill(Engine& engine, int64_t from, int64_t to) {
    absl::Status status = engine.commit([&](Engine::Writer& writer) {
      for (int64_t i = from; i < to; ++i)
        writer.put(Bucket::key, RevisionKeyBytes(RevisionPair{i, 0}), std::string(500, 'v'));
    });
    ASSERT_TRUE(status.ok()) << status;
  }
  int64_t count(Engine& engine) {
    auto reader = engine.make_reader();
    int64_t n = 0;
    reader->begin();
    reader->scan(Bucket::key, {}, {}, [&](std::string_view, std::string_view) {
      ++n;
      return true;
    });
    reader->end();
    return n;
  }

  TemporaryFolder folder;
  const std::string path = folder.path() + "/db";
  os::PosixFileSystem files;
  ThrowingProcess process;
  NullLogger log;
};

TEST_F(LmdbEngineTest, SecondOpenIsRefused) {
  auto first = open();
  ASSERT_TRUE(first.ok()) << first.status();
  fill(**first, 1, 10);
  // From another process, and from this one.
  const pid_t child = fork();
  if (child == 0) _exit(open().status().code() == absl::StatusCode::kUnavailable ? 0 : 1);
  int result = 0;
  ASSERT_EQ(waitpid(child, &result, 0), child);
  EXPECT_EQ(result, 0);
  EXPECT_EQ(open().status().code(), absl::StatusCode::kUnavailable);
  EXPECT_EQ(count(**first), 9);
  first->reset();
  auto again = open();
  ASSERT_TRUE(again.ok()) << again.status();
  EXPECT_EQ(count(**again), 9);
}

TEST_F(LmdbEngineTest, ForeignFilesAreRefusedAndKept) {
  std::string bolt(65536, '\0');
  bolt.replace(16, 4, "\xed\xda\x0c\xed", 4);
  for (const std::string& bytes : {bolt, std::string(100'000, 'x'), std::string("short")}) {
    write_file(bytes);
    auto opened = open();
    EXPECT_EQ(opened.status().code(), absl::StatusCode::kFailedPrecondition) << opened.status();
    EXPECT_EQ(file_bytes(), bytes);
  }
}

TEST_F(LmdbEngineTest, EmptyFileIsANewStore) {
  write_file("");
  auto opened = open();
  ASSERT_TRUE(opened.ok()) << opened.status();
  EXPECT_EQ(count(**opened), 0);
}

TEST_F(LmdbEngineTest, CutOffFileIsRefusedAndKept) {
  {
    auto engine = open();
    ASSERT_TRUE(engine.ok());
    for (int64_t i = 0; i < 20; ++i) fill(**engine, i * 100, i * 100 + 100);
  }
  const std::string whole = file_bytes();
  for (size_t size :
       {size_t{4096}, size_t{8192 + 4096}, whole.size() / 2, whole.size() - 3 * 4096}) {
    write_file(whole.substr(0, size));
    auto opened = open();
    EXPECT_EQ(opened.status().code(), absl::StatusCode::kDataLoss)
        << size << " " << opened.status();
    EXPECT_EQ(file_bytes().size(), size);
  }
  write_file(whole);
  auto opened = open();
  ASSERT_TRUE(opened.ok()) << opened.status();
  EXPECT_EQ(count(**opened), 2000);
}

// Pages that LMDB counted but never wrote are no damage.
TEST_F(LmdbEngineTest, FileShorterThanCountedIsFine) {
  for (int round = 0; round < 30; ++round) {
    auto engine = open();
    ASSERT_TRUE(engine.ok()) << round << " " << engine.status();
    fill(**engine, round * 100, round * 100 + 100);
    absl::Status status = (*engine)->commit([&](Engine::Writer& writer) {
      for (int64_t i = 0; i < 300; ++i)
        writer.put(Bucket::key, RevisionKeyBytes(RevisionPair{1'000'000 + i, 0}),
                   std::string(3000, 'x'));
      for (int64_t i = 0; i < 300; ++i)
        writer.erase(Bucket::key, RevisionKeyBytes(RevisionPair{1'000'000 + i, 0}));
    });
    ASSERT_TRUE(status.ok()) << status;
  }
}

TEST_F(LmdbEngineTest, UnwritableFolder) {
  if (geteuid() == 0) GTEST_SKIP() << "root may write everywhere";
  std::filesystem::permissions(
      folder.path(), std::filesystem::perms::owner_read | std::filesystem::perms::owner_exec);
  EXPECT_EQ(open().status().code(), absl::StatusCode::kPermissionDenied);
}

// A file that may not grow stands for a disk that is full.
TEST_F(LmdbEngineTest, DiskFull) {
  auto engine = open();
  ASSERT_TRUE(engine.ok());
  fill(**engine, 1, 100);
  const pid_t child = fork();
  if (child == 0) {
    // LMDB may not be used on both sides of a fork: the child has a file of its own.
    LmdbOptions options{.path = folder.path() + "/other"};
    auto own = open_lmdb_engine(options, files, process, log);
    if (!own.ok()) _exit(2);
    signal(SIGXFSZ, SIG_IGN);
    rlimit limit{512 << 10, 512 << 10};
    setrlimit(RLIMIT_FSIZE, &limit);
    absl::Status status;
    int64_t i = 1;
    for (; status.ok() && i < 1000; ++i) {
      status = (*own)->commit([&](Engine::Writer& writer) {
        for (int64_t sub = 0; sub < 50; ++sub)
          writer.put(Bucket::key, RevisionKeyBytes(RevisionPair{i, sub}), std::string(500, 'v'));
      });
    }
    if (status.ok()) _exit(3);
    own->reset();
    auto again = open_lmdb_engine(options, files, process, log);
    if (!again.ok()) _exit(4);
    _exit(count(**again) == (i - 2) * 50 ? 0 : 5);  // the failed transaction left nothing
  }
  int result = 0;
  ASSERT_EQ(waitpid(child, &result, 0), child);
  EXPECT_EQ(WEXITSTATUS(result), 0);
  EXPECT_TRUE(WIFEXITED(result));
}

TEST_F(LmdbEngineTest, LeftoversOfADefragmentationAreRemoved) {
  std::ofstream(path + ".defrag") << "half";
  auto engine = open();
  ASSERT_TRUE(engine.ok());
  EXPECT_FALSE(std::filesystem::exists(path + ".defrag"));
}

// kill -9 in the middle of commits: every transaction is there whole or not at all, and none that
// returned is missing.
TEST_F(LmdbEngineTest, KilledWriterLosesNothingCommitted) {
  for (int round = 0; round < 5; ++round) {
    int pipe_ends[2];
    ASSERT_EQ(pipe(pipe_ends), 0);
    const pid_t child = fork();
    if (child == 0) {
      auto engine = open();
      if (!engine.ok()) _exit(1);
      for (int64_t i = 1;; ++i) {
        const int64_t main = (round + 1) * 1'000'000 + i;
        absl::Status status = (*engine)->commit([&](Engine::Writer& writer) {
          for (int64_t sub = 0; sub < 10; ++sub)
            writer.put(Bucket::key, RevisionKeyBytes(RevisionPair{main, sub}),
                       std::string(900, 'v'));
        });
        if (!status.ok() || write(pipe_ends[1], &main, sizeof main) != sizeof main) _exit(1);
      }
    }
    int64_t last = 0;
    for (int i = 0; i < 20 + round * 7; ++i)
      ASSERT_EQ(read(pipe_ends[0], &last, sizeof last), ssize_t{sizeof last});
    kill(child, SIGKILL);
    waitpid(child, nullptr, 0);
    close(pipe_ends[1]);
    while (read(pipe_ends[0], &last, sizeof last) == ssize_t{sizeof last}) {
    }
    close(pipe_ends[0]);
    auto engine = open();
    ASSERT_TRUE(engine.ok()) << engine.status();
    EXPECT_EQ(count(**engine) % 10, 0);
    auto reader = (*engine)->make_reader();
    reader->begin();
    std::string_view value;
    EXPECT_TRUE(reader->get(Bucket::key, RevisionKeyBytes(RevisionPair{last, 9}), value));
    reader->end();
  }
}

}  // namespace
}  // namespace holdfast::backend
