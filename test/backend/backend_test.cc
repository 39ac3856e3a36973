// The backend's promises, over both engines, in virtual time.
#include "backend/backend.h"

#include <cstring>

#include "backend/lmdb_engine.h"
#include "backend/memory_engine.h"
#include "gtest/gtest.h"
#include "os/posix_file_system.h"
#include "test/backend/temporary_folder.h"
#include "test/backend/test_world.h"

namespace holdfast::backend {
namespace {

using std::chrono::milliseconds;

enum class Kind { memory, lmdb };

class BackendTest : public testing::TestWithParam<Kind> {
 protected:
  void open(BackendOptions options = {}) {
    std::unique_ptr<Engine> engine;
    if (GetParam() == Kind::memory) {
      engine = make_memory_engine(image);
    } else {
      auto opened = open_lmdb_engine({.path = folder.path() + "/db", .sync = Sync::no}, files,
                                     world.process, world.log);
      ASSERT_TRUE(opened.ok()) << opened.status();
      engine = *std::move(opened);
    }
    backend = std::make_unique<Backend>(std::move(engine), options, world.backend_environment());
  }
  // Everything in memory is lost; what was committed stays.
  void crash() {
    world.crash();
    backend.reset();
  }
  void append(int64_t main, std::string_view value, bool tombstone = false) {
    std::memcpy(backend->append({{main, 0}, tombstone}, value.size()), value.data(), value.size());
  }
  std::optional<std::string> read(int64_t main) {
    ReadView view = backend->view();
    auto value = view.get(RevisionPair{main, 0});
    if (!value) return std::nullopt;
    return std::string(*value);
  }
  std::optional<std::string> read(Bucket bucket, std::string_view key) {
    return backend->view().get(bucket, key);
  }
  std::string all_revisions() {
    std::string text;
    ReadView view = backend->view();
    view.scan_revisions({0, 0}, {1000, 0}, [&](const RevisionKey& key, std::string_view value) {
      text += std::to_string(key.revision.main) + (key.tombstone ? "t" : "") + "=" +
              std::string(value) + " ";
      return true;
    });
    return text;
  }

  TestWorld world;
  TemporaryFolder folder;
  os::PosixFileSystem files;
  std::shared_ptr<MemoryImage> image = std::make_shared<MemoryImage>();
  std::unique_ptr<Backend> backend;
};

TEST_P(BackendTest, ReadersSeeWhatIsPendingSealedAndCommitted) {  // PUT-20
  open();
  append(2, "two");
  backend->put(Bucket::meta, "m", "1");
  EXPECT_EQ(read(2), "two");
  EXPECT_EQ(read(Bucket::meta, "m"), "1");
  backend->force_commit({});
  append(3, "three");
  append(4, "", true);
  backend->put(Bucket::meta, "m", "2");
  EXPECT_EQ(all_revisions(), "2=two 3=three 4t= ");
  EXPECT_EQ(read(Bucket::meta, "m"), "2");
  EXPECT_EQ(backend->commits(), 0u);
  world.committer.run_one();
  EXPECT_EQ(backend->commits(), 1u);
  EXPECT_EQ(all_revisions(), "2=two 3=three 4t= ");
  EXPECT_EQ(read(2), "two");
  EXPECT_EQ(read(4), std::nullopt);
  EXPECT_EQ(read(Bucket::meta, "m"), "2");
}

TEST_P(BackendTest, CommitsWhenTheIntervalIsOver) {  // PUT-20
  open();
  append(2, "a");
  world.pass(milliseconds(99));
  EXPECT_EQ(backend->commits(), 0u);
  world.pass(milliseconds(1));
  EXPECT_EQ(backend->commits(), 1u);
  world.pass(milliseconds(1000));
  EXPECT_EQ(backend->commits(), 1u);  // nothing new: nothing written
}

TEST_P(BackendTest, CommitsWhenTheBatchIsFull) {  // PUT-20
  open({.batch_limit = 3});
  append(2, "a");
  append(3, "b");
  backend->entry_boundary();
  world.run_ready();
  EXPECT_EQ(backend->commits(), 0u);
  append(4, "c");
  backend->entry_boundary();
  world.run_ready();
  EXPECT_EQ(backend->commits(), 1u);
}

TEST_P(BackendTest, HookWritesIntoTheSameTransaction) {  // BKT-09, TRP-54
  open();
  uint64_t applied = 0;
  backend->set_commit_hook([&](Backend& b) { put_consistent_index(b, {applied, 7}); });
  applied = 10;
  append(2, "entry 10");
  backend->commit_at_boundary({});
  applied = 11;  // the rest of the entry
  append(3, "entry 11");
  backend->entry_boundary();
  applied = 12;
  append(4, "entry 12");
  world.committer.run_one();
  crash();
  open();
  ReadView view = backend->view();
  EXPECT_EQ(read_consistent_index(view).index, 11u);
  EXPECT_EQ(read_consistent_index(view).term, 7u);
  EXPECT_EQ(all_revisions(), "2=entry 10 3=entry 11 ");
}

TEST_P(BackendTest, IndexZeroIsNeverStored) {  // BKT-09
  open();
  put_consistent_index(*backend, {0, 5});
  EXPECT_EQ(read(Bucket::meta, kConsistentIndexKey), std::nullopt);
  EXPECT_EQ(read(Bucket::meta, kTermKey), std::nullopt);
}

TEST_P(BackendTest, CommitAtBoundaryNeedsNoEntry) {
  open();
  append(2, "a");
  bool done = false;
  backend->commit_at_boundary([&] { done = true; });
  EXPECT_EQ(backend->pending_operations(), 1u);
  world.run_ready();
  EXPECT_TRUE(done);
  EXPECT_EQ(backend->commits(), 1u);
}

TEST_P(BackendTest, ForceCommitRunsDoneWhenDurable) {
  open();
  bool first = false, second = false;
  append(2, "a");
  backend->force_commit([&] { first = true; });
  backend->force_commit([&] { second = true; });  // nothing to write, but after the first
  world.committer.run_one();
  EXPECT_TRUE(first);
  EXPECT_FALSE(second);
  world.committer.run_one();
  EXPECT_TRUE(second);
}

TEST_P(BackendTest, CrashLosesWhatWasNotCommitted) {
  open();
  append(2, "a");
  backend->put(Bucket::lease, "l", "x");
  backend->force_commit({});
  world.run_ready();
  append(3, "b");
  backend->erase(Bucket::lease, "l");
  backend->force_commit({});  // sealed, but the committer never runs
  append(4, "c");
  crash();
  open();
  EXPECT_EQ(all_revisions(), "2=a ");
  EXPECT_EQ(read(Bucket::lease, "l"), "x");
}

TEST_P(BackendTest, CongestionHoldsBatchesTogether) {
  open({.batch_limit = 1});
  for (int64_t i = 0; i < 10; ++i) {
    append(2 + i, "v");
    backend->entry_boundary();
  }
  EXPECT_TRUE(backend->congested());
  EXPECT_EQ(backend->pending_operations(), 10 - kSealedBatchesMax);
  bool resumed = false;
  backend->when_uncongested([&] { resumed = true; });
  EXPECT_FALSE(world.owner.run_one());
  world.committer.run_one();
  world.run_ready();
  EXPECT_TRUE(resumed);
  EXPECT_FALSE(backend->congested());
  EXPECT_EQ(backend->pending_operations(), 0u);
  EXPECT_EQ(backend->commits(), kSealedBatchesMax + 1);
}

TEST_P(BackendTest, IdleOwnerStillCommitsAfterCongestion) {
  open();
  for (size_t i = 0; i < kSealedBatchesMax; ++i) {
    append(static_cast<int64_t>(2 + i), "v");
    backend->force_commit({});
  }
  append(50, "late");
  world.clock.advance(std::chrono::milliseconds(200));
  while (world.owner.run_one()) {
  }
  EXPECT_EQ(backend->pending_operations(), 1u);
  world.run_ready();
  EXPECT_EQ(backend->pending_operations(), 0u);
  EXPECT_EQ(backend->commits(), kSealedBatchesMax + 1);
}

TEST_P(BackendTest, ScanMergesMemoryAndDisk) {
  open();
  backend->put(Bucket::auth_users, "a", "1");
  backend->put(Bucket::auth_users, "c", "1");
  backend->put(Bucket::auth_users, "d", "1");
  backend->force_commit({});
  world.run_ready();
  backend->put(Bucket::auth_users, "b", "2");
  backend->put(Bucket::auth_users, "d", "2");
  backend->force_commit({});
  backend->erase(Bucket::auth_users, "c");
  backend->put(Bucket::auth_users, "e", "3");
  auto scan = [&](std::string_view from, std::string_view to) {
    std::string text;
    backend->view().scan(Bucket::auth_users, from, to, [&](std::string_view k, std::string_view v) {
      text += std::string(k) + std::string(v) + " ";
      return true;
    });
    return text;
  };
  EXPECT_EQ(scan("", ""), "a1 b2 d2 e3 ");
  EXPECT_EQ(scan("b", "e"), "b2 d2 ");
  world.run_ready();
  backend->force_commit({});
  world.run_ready();
  EXPECT_EQ(scan("", ""), "a1 b2 d2 e3 ");
}

TEST_P(BackendTest, SideBatchIsATransactionOfItsOwn) {
  open();
  for (int64_t i = 2; i < 6; ++i) append(i, "v");
  append(6, "", true);
  backend->force_commit({});
  SideBatch side;
  side.erased = {{{2, 0}}, {{4, 0}}, {{6, 0}, true}, {{99, 0}}};
  side.puts = {{Bucket::meta, "done", "yes"}};
  bool done = false;
  append(7, "pending");
  backend->commit_side(std::move(side), [&] { done = true; });
  world.run_ready();
  EXPECT_TRUE(done);
  EXPECT_EQ(all_revisions(), "3=v 5=v 7=pending ");
  EXPECT_EQ(read(Bucket::meta, "done"), "yes");
  EXPECT_EQ(backend->pending_operations(), 1u);
}

TEST_P(BackendTest, HashCoversAllButWhatMayDiffer) {  // MNT-06
  open();
  append(2, "v");
  backend->put(Bucket::cluster, "clusterVersion", "3.7.0");
  backend->force_commit({});
  world.run_ready();
  const uint32_t before = backend->hash();
  put_consistent_index(*backend, {77, 3});
  backend->put(Bucket::meta, kStorageVersionKey, "3.7.0");
  backend->force_commit({});
  world.run_ready();
  EXPECT_EQ(backend->hash(), before);
  backend->put(Bucket::meta, "confState", "{}");
  backend->force_commit({});
  world.run_ready();
  EXPECT_NE(backend->hash(), before);
}

TEST_P(BackendTest, CommittedViewStaysAsItWas) {
  open();
  append(2, "a");
  backend->force_commit({});
  world.run_ready();
  CommittedView view = backend->committed_view();
  append(3, "b");
  backend->force_commit({});
  world.run_ready();
  int records = 0;
  view.reader().scan(Bucket::key, {}, {}, [&](std::string_view, std::string_view) {
    ++records;
    return true;
  });
  EXPECT_EQ(records, 1);
}

TEST_P(BackendTest, CloseCommitsEverything) {
  open();
  append(2, "a");
  bool closed = false;
  backend->close([&] { closed = true; });
  world.run_ready();
  EXPECT_TRUE(closed);
  backend.reset();
  open();
  EXPECT_EQ(all_revisions(), "2=a ");
}

TEST_P(BackendTest, DefragmentKeepsEverything) {  // BKT-14
  open();
  for (int64_t i = 2; i < 500; ++i) append(i, std::string(300, 'v'));
  backend->force_commit({});
  world.run_ready();
  SideBatch side;
  for (int64_t i = 2; i < 450; ++i) side.erased.push_back({{i, 0}});
  backend->commit_side(std::move(side), {});
  world.run_ready();
  const std::string before = all_revisions();
  const int64_t size = backend->size();
  EXPECT_LE(backend->size_in_use(), size);  // BKT-15
  ReadView old = backend->view();
  EXPECT_TRUE(old.get(RevisionPair{480, 0}));
  absl::Status status = absl::UnknownError("not called");
  backend->defragment([&](absl::Status s) { status = std::move(s); });
  append(500, "meanwhile");
  world.run_ready();
  EXPECT_TRUE(status.ok()) << status;
  if (GetParam() == Kind::lmdb) {
    EXPECT_LT(backend->size(), size);
  }
  EXPECT_TRUE(old.get(RevisionPair{481, 0}));  // on the file it began with
  EXPECT_EQ(all_revisions(), before + "500=meanwhile ");
  backend->force_commit({});
  world.run_ready();
  EXPECT_EQ(all_revisions(), before + "500=meanwhile ");
  { ReadView gone = std::move(old); }
  crash();
  open();
  EXPECT_EQ(all_revisions(), before + "500=meanwhile ");
}

TEST_P(BackendTest, LongKeys) {
  open();
  const std::string a(5000, 'a'), b(5000, 'b'), ab = std::string(511, 'a') + "b";
  backend->put(Bucket::auth_users, b, "B");
  backend->put(Bucket::auth_users, a, "A");
  backend->put(Bucket::auth_users, "aa", "short");
  backend->put(Bucket::auth_users, ab, "AB");
  backend->put(Bucket::auth_users, std::string(400, 'b'), "mid");
  backend->put(Bucket::auth_roles, a, "role");
  backend->force_commit({});
  world.run_ready();
  auto scan = [&](std::string_view from, std::string_view to) {
    std::string text;
    backend->view().scan(Bucket::auth_users, from, to, [&](std::string_view, std::string_view v) {
      text += std::string(v) + " ";
      return true;
    });
    return text;
  };
  EXPECT_EQ(scan("", ""), "short A AB mid B ");
  EXPECT_EQ(scan(ab, ""), "AB mid B ");
  EXPECT_EQ(scan(a, ab), "A ");
  EXPECT_EQ(read(Bucket::auth_users, a), "A");
  EXPECT_EQ(read(Bucket::auth_roles, a), "role");
  EXPECT_EQ(read(Bucket::auth_roles, b), std::nullopt);
  backend->put(Bucket::auth_users, a, "A2");
  backend->erase(Bucket::auth_users, b);
  backend->force_commit({});
  world.run_ready();
  EXPECT_EQ(scan("", ""), "short A2 AB mid ");
}

TEST_P(BackendTest, FailedCommitEndsTheProcess) {
  if (GetParam() == Kind::lmdb) GTEST_SKIP() << "see DiskFull of the LMDB engine's test";
  open();
  image->before_commit = [] { return absl::ResourceExhaustedError("no space left on device"); };
  append(2, "a");
  backend->force_commit({});
  EXPECT_THROW(world.run_ready(), std::runtime_error);
  crash();
  image->before_commit = nullptr;
  open();
  EXPECT_EQ(all_revisions(), "");
}

INSTANTIATE_TEST_SUITE_P(Engines, BackendTest, testing::Values(Kind::memory, Kind::lmdb),
                         [](const auto& info) {
                           return info.param == Kind::memory ? "memory" : "lmdb";
                         });

}  // namespace
}  // namespace holdfast::backend
