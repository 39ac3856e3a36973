#include "wal/snap_file.h"

#include "gtest/gtest.h"
#include "sim/sim_disk.h"
#include "wal_fixture.h"

namespace holdfast::wal {
namespace {

constexpr char kDir[] = "/data/member/snap";

raft::Snapshot snap(uint64_t index, uint64_t term, std::string_view data = "{}") {
  return {SharedBytes(data),
          {raft::ConfState{.voters = {MemberId(1), MemberId(2)}}, Index(index), Term(term)}};
}

class SnapshotterTest : public ::testing::Test {
 protected:
  void SetUp() override {
    ASSERT_TRUE(disk_.create_directories(kDir).ok());
    for (const char* d : {"/", "/data", "/data/member"}) ASSERT_TRUE(disk_.sync_directory(d).ok());
  }
  std::string path(const std::string& name) const { return std::string(kDir) + "/" + name; }
  void put(const std::string& name, std::string_view content) {
    auto file = *disk_.open(path(name), env::OpenMode::create_or_open);
    ASSERT_TRUE(file->truncate(0).ok());
    ASSERT_TRUE(file->write_at(0, content).ok());
  }
  bool has(const std::string& name) { return *disk_.exists(path(name)); }

  sim::SimDisk disk_{1};
  TestWorld test_{disk_};
  Snapshotter snapshotter_{test_.world, kDir};
};

// SNP-01
TEST_F(SnapshotterTest, FileNameAndBytes) {
  ASSERT_TRUE(snapshotter_.save_snap(snap(0x1a, 2, "v2")).ok());
  ASSERT_TRUE(has("0000000000000002-000000000000001a.snap"));
  const std::string file = *env::read_file(disk_, path("0000000000000002-000000000000001a.snap"), 1000);
  const std::string data =
      std::string("\x0a\x02v2\x12\x0c\x0a\x06\x08\x01\x08\x02\x28\x00\x10\x1a\x18\x02", 18);
  EXPECT_EQ(file.substr(file.size() - data.size()), data);
  EXPECT_EQ(*snapshotter_.load(), snap(0x1a, 2, "v2"));
  EXPECT_TRUE(snapshotter_.save_snap({}).ok());
  EXPECT_EQ(disk_.files_under(kDir).size(), 1u) << "an empty snapshot is not written";
}

TEST_F(SnapshotterTest, SavedFileSurvivesACrashWithItsName) {
  for (uint64_t seed = 0; seed < 30; ++seed) {
    auto copy = disk_.clone(seed);
    TestWorld test(*copy);
    Snapshotter snapshotter(test.world, kDir);
    ASSERT_TRUE(snapshotter.save_snap(snap(5, 1)).ok());
    copy->crash();
    EXPECT_EQ(*snapshotter.load(), snap(5, 1));
  }
}

TEST_F(SnapshotterTest, FailedSaveLeavesNoFile) {
  disk_.set_faults({.write_error_ppm = 1'000'000});
  EXPECT_FALSE(snapshotter_.save_snap(snap(5, 1)).ok());
  EXPECT_TRUE(disk_.files_under(kDir).empty());
}

// SNP-02
TEST_F(SnapshotterTest, NewestReadableWinsAndBrokenOnesAreKeptAside) {
  EXPECT_EQ(message(snapshotter_.load().status()), "snap: no available snapshot");
  for (uint64_t i = 1; i <= 4; ++i) ASSERT_TRUE(snapshotter_.save_snap(snap(i, 1)).ok());
  put(snapshot_file_name(Term(1), Index(4)), "");
  disk_.flip_bit(path(snapshot_file_name(Term(1), Index(3))), 12, 3);
  EXPECT_EQ(snapshotter_.load()->metadata.index, Index(2));
  EXPECT_TRUE(has(snapshot_file_name(Term(1), Index(4)) + ".broken"));
  EXPECT_TRUE(has(snapshot_file_name(Term(1), Index(3)) + ".broken"));
  EXPECT_FALSE(has(snapshot_file_name(Term(1), Index(4))));
  EXPECT_TRUE(test_.logger.has("snap: empty snapshot"));
  EXPECT_TRUE(test_.logger.has("snap: crc mismatch"));
}

TEST_F(SnapshotterTest, NewestAvailableHasARecordInTheLog) {
  for (uint64_t i = 1; i <= 4; ++i) ASSERT_TRUE(snapshotter_.save_snap(snap(i, 1)).ok());
  EXPECT_EQ(snapshotter_.load_newest_available({snapshot(2, 1), snapshot(3, 1)})->metadata.index,
            Index(3));
  EXPECT_EQ(snapshotter_.load_newest_available({snapshot(2, 1), snapshot(3, 9)})->metadata.index,
            Index(2));
  EXPECT_TRUE(absl::IsNotFound(snapshotter_.load_newest_available({}).status()));
}

TEST_F(SnapshotterTest, NewestFileByItsName) {
  EXPECT_EQ(newest_snapshot_file(disk_, "/nowhere"), Index(0));
  EXPECT_EQ(newest_snapshot_file(disk_, kDir), Index(0));
  for (const auto& [index, term] : {std::pair(0x1fu, 1u), {0x2eu, 1u}, {0x2au, 2u}})
    ASSERT_TRUE(snapshotter_.save_snap(snap(index, term)).ok());
  for (const char* other : {"z.snap", "0000000000000009-000000000000000z.snap", "0000000000000009.snap.db",
                            "0000000000000009-0000000000000009.snap.broken"})
    put(other, "");
  EXPECT_EQ(newest_snapshot_file(disk_, kDir), Index(0x2a));
}

TEST(SnapshotFile, EveryFlippedBitAndEveryCutIsFound) {
  const raft::Snapshot original = snap(77, 3, "some data that is longer");
  const std::string file = encode_snapshot_file(original);
  EXPECT_EQ(*decode_snapshot_file(file), original);
  for (size_t i = 0; i < file.size(); ++i) {
    EXPECT_FALSE(decode_snapshot_file(file.substr(0, i)).ok()) << i;
    for (int bit = 0; bit < 8; ++bit) {
      std::string damaged = file;
      damaged[i] = static_cast<char>(damaged[i] ^ (1 << bit));
      const auto decoded = decode_snapshot_file(damaged);
      EXPECT_TRUE(!decoded.ok() || *decoded == original) << i << " bit " << bit;
    }
  }
}

// DIR-03
TEST_F(SnapshotterTest, LeftoversAreDeleted) {
  for (const char* name : {"tmp123", "db.tmp.1", "db", "0000000000000005.snap.db"}) put(name, "x");
  ASSERT_TRUE(snapshotter_.remove_leftovers().ok());
  EXPECT_EQ(*disk_.list(kDir), (std::vector<std::string>{"0000000000000005.snap.db", "db"}));
}

// SNP-03
TEST_F(SnapshotterTest, OlderDatabasesAreReleased) {
  for (const char* name : {"0000000000000005.snap.db", "0000000000000009.snap.db", "zz.snap.db"})
    put(name, "x");
  ASSERT_TRUE(snapshotter_.release_databases(Index(9)).ok());
  EXPECT_EQ(*disk_.list(kDir), (std::vector<std::string>{"0000000000000009.snap.db", "zz.snap.db"}));
  EXPECT_TRUE(test_.logger.has("failed to parse index from filename"));
}

// DIR-04
TEST_F(SnapshotterTest, PurgeKeepsTheNewest) {
  for (uint64_t i = 1; i <= 7; ++i) ASSERT_TRUE(snapshotter_.save_snap(snap(i, 1)).ok());
  put("db", "x");
  EXPECT_EQ(*purge(disk_, test_.logger, kDir, {.suffix = ".snap", .keep = 0}), 0u);
  EXPECT_EQ(*purge(disk_, test_.logger, kDir, {.suffix = ".snap", .keep = 5}), 2u);
  EXPECT_EQ(*purge(disk_, test_.logger, kDir, {.suffix = ".snap", .keep = 5}), 0u);
  EXPECT_FALSE(has(snapshot_file_name(Term(1), Index(2))));
  EXPECT_TRUE(has(snapshot_file_name(Term(1), Index(3))));
  EXPECT_TRUE(has("db"));
  disk_.set_hook([](const sim::DiskOperation& op) {
    return op.action == sim::DiskAction::remove ? absl::DataLossError("remove: Input/output error")
                                                : absl::OkStatus();
  });
  EXPECT_FALSE(purge(disk_, test_.logger, kDir, {.suffix = ".snap", .keep = 1}).ok());
}

TEST_F(SnapshotterTest, PurgeOfTheLogStopsAtALockedSegment) {
  const Options options{.segment_bytes = 4096};
  auto wal = *Wal::create(test_.world, options, "/data/member/wal", "m");
  for (uint64_t i = 1; i <= 9; ++i) {
    const raft::Entry e = entry(i, 1, std::string(5000, 'x'));
    ASSERT_TRUE(wal->save(state(1, 1, i - 1), {&e, 1}).ok());
  }
  ASSERT_TRUE(wal->preparer()->prepare().ok());
  const PurgeRule rule{.suffix = ".wal", .keep = 5, .locks = Locks::respected};
  EXPECT_EQ(*purge(disk_, test_.logger, "/data/member/wal", rule), 0u);
  wal->release_lock_to(Index(4));  // segments begin at 0, 2, 3, 4, ...: those at 0 and 2 go
  EXPECT_EQ(*purge(disk_, test_.logger, "/data/member/wal", rule), 2u);
  EXPECT_TRUE(test_.logger.has("failed to lock file"));
  EXPECT_EQ(*purge(disk_, test_.logger, "/data/member/wal", rule), 0u);
}

}  // namespace
}  // namespace holdfast::wal
