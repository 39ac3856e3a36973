// Single cases of a start that reads the log once: how much it reads, and where it goes its own way.
#include "wal_on_disk.h"

namespace holdfast::wal {
namespace {

class WalStartTest : public WalTest {
 protected:
  absl::StatusOr<Wal::Opened> start() { return Wal::open_newest(test_.world, options_, kDir); }

  // What a start reads of the log, in bytes asked for.
  uint64_t bytes_read_at_start() {
    uint64_t bytes = 0;
    disk_.set_hook([&bytes](const sim::DiskOperation& operation) {
      if (operation.action == sim::DiskAction::read) bytes += operation.size;
      return absl::OkStatus();
    });
    EXPECT_TRUE(start().ok());
    disk_.set_hook({});
    return bytes;
  }
  uint64_t bytes_of_log() {
    uint64_t bytes = 0;
    for (const std::string& path : disk_.files_under(kDir)) bytes += env::read_file(disk_, path, 1 << 24)->size();
    return bytes;
  }
  // Five entries of which three are committed.
  std::unique_ptr<Wal> small_log() {
    auto wal = create();
    std::vector<raft::Entry> entries;
    for (uint64_t i = 1; i <= 5; ++i) entries.push_back(entry(i, 1, "v"));
    EXPECT_TRUE(wal->save(state(1, 1, 3), entries).ok());
    return wal;
  }
  void note(Wal& wal, uint64_t index, uint64_t term) {
    ASSERT_TRUE(wal.save_snapshot(snapshot(index, term)).ok());
  }
  void put(Wal& wal, uint64_t commit, const std::vector<raft::Entry>& entries, uint64_t term = 2) {
    ASSERT_TRUE(wal.save(state(term, 1, commit), entries, Sync::always).ok());
  }
};

TEST_F(WalStartTest, ReadsTheLogOnce) {
  options_.segment_bytes = 1'000'000;
  auto wal = create();
  for (uint64_t begin = 1; begin < 3'500; begin += 500) {
    save(*wal, begin, begin + 499, 1, 1'000);
    if (begin == 1'501 || begin == 2'501) note(*wal, begin + 300, 1);
  }
  ASSERT_GT(wal->held_segments(), 3u);
  wal.reset();
  EXPECT_GE(bytes_read_at_start(), 3'000'000u);
  EXPECT_LE(bytes_read_at_start(), bytes_of_log() * 101 / 100) << "a record at the end of a read is read again";
  const auto opened = start();
  EXPECT_EQ(opened->from.index, Index(2'801));
  EXPECT_EQ(opened->contents.entries.size(), 3'500u - 2'801u);
  EXPECT_EQ(opened->wal->held_segments(), 2u) << "those before the snapshot are for the purge";
}

// Not committed when the power failed, so it didn't count; the log that was written instead went beyond it.
TEST_F(WalStartTest, SnapshotThatCountsLongAfterItWasNoted) {
  {
    auto wal = small_log();
    note(*wal, 40, 2);
  }
  {
    auto opened = start();
    EXPECT_EQ(opened->from.index, Index(0));
    EXPECT_EQ(opened->contents.entries.size(), 5u);
    for (uint64_t i = 6; i <= 60; ++i) put(*opened->wal, i - 1, {entry(i, 2, std::string(500, 'v'))});
    ASSERT_GT(opened->wal->held_segments(), 3u) << "some of which begin behind the note and before index 40";
  }
  const auto opened = start();
  ASSERT_TRUE(opened.ok()) << opened.status();
  EXPECT_EQ(opened->from.index, Index(40));
  ASSERT_EQ(opened->contents.entries.size(), 20u);
  EXPECT_EQ(opened->contents.entries.front().index, Index(41));
}

// Received, forgotten in a power cut, and received again after the log had gone another way.
TEST_F(WalStartTest, SnapshotNotedTwiceReplacesWhatDoesNotLeadUpToIt) {
  auto wal = small_log();
  note(*wal, 8, 3);
  put(*wal, 3, {entry(4, 2, "x"), entry(5, 2, "x"), entry(6, 2, "x"), entry(7, 2, "x"), entry(8, 2, "x"), entry(9, 2, "x")});
  ASSERT_TRUE(wal->save_received(snapshot(8, 3), state(3, 1, 8), {}).ok());
  wal.reset();
  EXPECT_TRUE(start()->contents.entries.empty());
  EXPECT_TRUE(open(snapshot(8, 3))->contents.entries.empty());
  {
    auto opened = start();
    put(*opened->wal, 8, {entry(9, 3, "after")}, 3);
    note(*opened->wal, 8, 3);  // what leads up to it stays
  }
  EXPECT_EQ(start()->contents.entries.size(), 1u);
  EXPECT_EQ(open(snapshot(8, 3))->contents.entries.size(), 1u);
}

// WAL-09
TEST_F(WalStartTest, GapBehindTheSnapshotIsRefused) {
  auto wal = small_log();
  note(*wal, 2, 1);
  put(*wal, 3, {entry(9, 2, "far")});
  wal.reset();
  const auto refused = start();
  EXPECT_EQ(fault_of(refused.status()), Fault::slice_out_of_range);
  EXPECT_NE(refused.status().message().find("in file '"), std::string_view::npos) << refused.status();
}

// A gap that a snapshot covers is nobody's loss.
TEST_F(WalStartTest, GapBeforeTheSnapshot) {
  auto wal = small_log();
  put(*wal, 3, {entry(9, 2, "far"), entry(10, 2, "v")});
  note(*wal, 10, 2);
  put(*wal, 10, {entry(11, 2, "v")});
  wal.reset();
  EXPECT_EQ(start()->contents.entries.size(), 1u);
}

TEST_F(WalStartTest, TwoTermsOfOneSnapshotAreRefused) {
  auto wal = small_log();
  note(*wal, 3, 1);
  note(*wal, 3, 2);
  wal.reset();
  EXPECT_EQ(fault_of(start().status()), Fault::snapshot_mismatch);
}

TEST_F(WalStartTest, NoSnapshotAndNotFromTheBeginningIsRefused) {
  auto wal = create();
  save(*wal, 1, 30, 1, 500);
  wal.reset();
  ASSERT_TRUE(disk_.remove(std::string(kDir) + "/" + SegmentName{}.text()).ok());
  EXPECT_EQ(fault_of(start().status()), Fault::file_not_found);
}

TEST_F(WalStartTest, InUse) {
  const auto wal = small_log();
  EXPECT_TRUE(absl::IsUnavailable(start().status()));
}

// A name is given to a segment whose header is on the disk: no interrupted write leaves this, and nothing is cut off.
TEST_F(WalStartTest, TornHeaderIsDamage) {
  auto wal = create();
  save(*wal, 1, 5, 1, 1500);
  const std::string path = std::string(kDir) + "/" + wal->tail_name();
  wal.reset();
  ASSERT_TRUE((*disk_.open(path, env::OpenMode::read_write))->write_at(8, std::string(504, '\0')).ok());
  const std::string before = *env::read_file(disk_, path, 1 << 20);
  EXPECT_EQ(fault_of(start().status()), Fault::corrupt);
  EXPECT_EQ(fault_of(Wal::open_repairing(test_.world, options_, kDir, {}).status()), Fault::corrupt);
  EXPECT_EQ(*env::read_file(disk_, path, 1 << 20), before);
  EXPECT_FALSE(*disk_.exists(path + ".broken"));
}

}  // namespace
}  // namespace holdfast::wal
