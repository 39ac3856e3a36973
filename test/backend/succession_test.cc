// A state goes over to another one: what readers see, what a restart finds, who may open the file.
#include <filesystem>

#include "backend/bbolt_import.h"
#include "backend/lmdb_engine.h"
#include "backend/revision_key.h"
#include "base/log.h"
#include "gtest/gtest.h"
#include "os/posix_file_system.h"
#include "test/backend/bbolt_fixture.h"
#include "test/backend/temporary_folder.h"
#include "test/backend/test_world.h"

namespace holdfast::backend {
namespace {

enum class Kind : uint8_t { lmdb, memory };

class Succession : public testing::TestWithParam<Kind> {
 protected:
  std::unique_ptr<Engine> open() {
    if (GetParam() == Kind::memory) return make_memory_engine(image);
    auto engine = open_lmdb_engine({.path = path}, files, process, log);
    EXPECT_TRUE(engine.ok()) << engine.status();
    return engine.ok() ? *std::move(engine) : nullptr;
  }
  static void put(Engine& engine, std::string_view value) {
    absl::Status s = engine.commit(
        [&](Engine::Writer& writer) { writer.put(Bucket::meta, "who", value); });
    ASSERT_TRUE(s.ok()) << s;
  }
  static std::string get(Engine::Reader& reader) {
    reader.begin();
    std::string_view value;
    const std::string found(reader.get(Bucket::meta, "who", value) ? value : "nobody");
    reader.end();
    return found;
  }
  static std::string get(Engine& engine) { return get(*engine.make_reader()); }

  TemporaryFolder folder;
  const std::string path = folder.path() + "/db";
  os::PosixFileSystem files;
  ThrowingProcess process;
  NullLogger log;
  std::shared_ptr<MemoryImage> image = std::make_shared<MemoryImage>();
};

TEST_P(Succession, ReadersOfBothGoOn) {
  auto old = open();
  put(*old, "old");
  auto old_reader = old->make_reader();
  EXPECT_EQ(get(*old_reader), "old");
  auto next = old->make_successor();
  ASSERT_TRUE(next.ok()) << next.status();
  EXPECT_EQ(get(**next), "nobody");
  put(**next, "next");
  auto next_reader = (*next)->make_reader();
  EXPECT_EQ(get(*next_reader), "next");
  EXPECT_EQ(get(*old_reader), "old");

  ASSERT_TRUE((*next)->sync().ok());
  ASSERT_TRUE((*next)->take_place_of(*old).ok());
  EXPECT_EQ(get(*old_reader), "old");
  EXPECT_EQ(get(*next_reader), "next");
  put(*old, "old, too late");
  EXPECT_EQ(get(*old), "old, too late");
  EXPECT_EQ(get(**next), "next");
  put(**next, "next, later");
  old_reader.reset();
  old.reset();
  EXPECT_EQ(get(*next_reader), "next, later");
  next_reader.reset();
  next->reset();
  EXPECT_EQ(get(*open()), "next, later");
}

TEST_P(Succession, WithoutTakingPlaceNothingHappened) {
  {
    auto old = open();
    put(*old, "old");
    auto next = old->make_successor();
    ASSERT_TRUE(next.ok());
    put(**next, "next");
  }
  auto again = open();
  EXPECT_EQ(get(*again), "old");
  EXPECT_FALSE(std::filesystem::exists(path + ".successor"));
  // And a second one begins empty.
  auto next = again->make_successor();
  ASSERT_TRUE(next.ok());
  EXPECT_EQ(get(**next), "nobody");
}

TEST_P(Succession, OneAfterTheOther) {
  auto engine = open();
  for (int i = 0; i < 4; ++i) {
    auto next = engine->make_successor();
    ASSERT_TRUE(next.ok()) << next.status();
    put(**next, std::to_string(i));
    ASSERT_TRUE((*next)->sync().ok());
    ASSERT_TRUE((*next)->take_place_of(*engine).ok());
    engine = *std::move(next);
    ASSERT_TRUE(engine->defragment().ok());
  }
  EXPECT_EQ(get(*engine), "3");
  engine.reset();
  EXPECT_EQ(get(*open()), "3");
}

TEST_P(Succession, NobodyElseMayOpenTheFile) {
  if (GetParam() == Kind::memory) GTEST_SKIP();
  auto old = open();
  auto next = old->make_successor();
  ASSERT_TRUE(next.ok());
  ASSERT_TRUE((*next)->take_place_of(*old).ok());
  old.reset();
  EXPECT_EQ(open_lmdb_engine({.path = path}, files, process, log).status().code(),
            absl::StatusCode::kUnavailable);
}

TEST_P(Succession, ImportsABboltFile) {
  Contents contents;
  for (int i = 0; i < 3000; ++i)
    contents[{"key", std::string(RevisionKeyBytes(RevisionPair{i, 0}))}] = std::string(5000, 'v');
  contents[{"authUsers", std::string(2000, 'u')}] = "long name";
  contents[{"authUsers", "root"}] = "short name";
  const std::string bytes = write_bbolt(contents);
  auto file = open_bbolt(bytes);
  ASSERT_TRUE(file.ok());
  auto old = open();
  auto next = old->make_successor();
  ASSERT_TRUE(next.ok());
  absl::Status imported = import_bbolt(**file, **next, [] { return false; });
  ASSERT_TRUE(imported.ok()) << imported;
  auto reader = (*next)->make_reader();
  reader->begin();
  EXPECT_EQ(write_bbolt(*reader), bytes);
  reader->end();
  int asked = 0;
  EXPECT_EQ(import_bbolt(**file, **next, [&] { return ++asked == 3; }).code(),
            absl::StatusCode::kCancelled);
}

INSTANTIATE_TEST_SUITE_P(, Succession, testing::Values(Kind::lmdb, Kind::memory),
                         [](const auto& kind) {
                           return kind.param == Kind::lmdb ? "lmdb" : "memory";
                         });

}  // namespace
}  // namespace holdfast::backend
