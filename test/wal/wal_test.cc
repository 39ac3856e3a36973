// What a log holds: records, entries and snapshots, from one start to the next.
#include "wal/wal.h"

#include "wal_on_disk.h"

namespace holdfast::wal {
namespace {

// WAL-05, WAL-13: byte for byte what etcd creates.
TEST_F(WalTest, NewLogHoldsThreeRecords) {
  auto wal = create();
  const std::string content = file("0000000000000000-0000000000000000.wal");
  RecordWriter expected;
  expected.put_crc();
  expected.put(RecordType::metadata, "somedata");
  expected.put(RecordType::snapshot, encode(SnapshotRecord{}));
  EXPECT_EQ(content.size(), 4096u);
  EXPECT_EQ(content.substr(0, wal->tail_offset()), expected.buffered());
  EXPECT_EQ(content.find_first_not_of('\0', wal->tail_offset()), std::string::npos);
  EXPECT_FALSE(*disk_.exists(std::string(kDir) + ".tmp"));
  EXPECT_TRUE(exists(disk_, kDir));
}

TEST_F(WalTest, DefaultSegmentIs64Million) {  // TRP-52
  options_ = {};
  auto wal = create();
  EXPECT_EQ(file(wal->tail_name()).size(), 64'000'000u);  // WAL-02
}

TEST_F(WalTest, CreateRefusesAnExistingLogAndReplacesLeftovers) {
  ASSERT_TRUE(disk_.create_directories(std::string(kDir) + ".tmp/x").ok());
  ASSERT_TRUE(disk_.create_directories(kDir).ok());
  create();
  EXPECT_TRUE(absl::IsAlreadyExists(
      Wal::create(test_.world, options_, std::string(kDir) + "/", "m").status()));
}

TEST_F(WalTest, CreatedLogSurvivesACrashCompletely) {
  for (uint64_t seed = 0; seed < 50; ++seed) {
    auto copy = disk_.clone(seed);
    TestWorld test(*copy);
    ASSERT_TRUE(Wal::create(test.world, options_, kDir, "somedata").ok());
    copy->crash();
    const auto opened = Wal::open(test.world, options_, kDir, {});
    ASSERT_TRUE(opened.ok()) << opened.status();
    EXPECT_EQ(opened->contents.metadata, "somedata");
  }
}

TEST_F(WalTest, SavedEntriesAndStateComeBack) {
  auto wal = create();
  const std::vector<raft::Entry> entries = {entry(1, 1, "a"), entry(2, 1, ""),
                                            {Term(2), Index(3), raft::EntryType::normal, false, {}},
                                            {Term(2), Index(4), raft::EntryType::conf_change, false,
                                             SharedBytes("cc")}};
  ASSERT_TRUE(wal->save(state(2, 7, 3), entries).ok());
  EXPECT_EQ(wal->last_index(), Index(4));
  wal.reset();
  auto opened = open();
  ASSERT_TRUE(opened.ok()) << opened.status();
  EXPECT_EQ(opened->contents.entries, entries);
  EXPECT_TRUE(opened->contents.entries[2].data.is_nil());
  EXPECT_FALSE(opened->contents.entries[1].data.is_nil());
  EXPECT_EQ(opened->contents.hard_state, state(2, 7, 3));
  EXPECT_EQ(opened->contents.metadata, "somedata");
  EXPECT_EQ(opened->wal->last_index(), Index(4));
}

// RAL-16, TRP-53
TEST_F(WalTest, OnlyEntriesTermOrVoteAreSynced) {
  auto wal = create();
  save(*wal, 1, 1);
  const uint64_t before = disk_.syncs();
  ASSERT_TRUE(wal->save(state(1, 1, 1), {}).ok());
  ASSERT_TRUE(wal->save({}, {}).ok());
  EXPECT_EQ(disk_.syncs(), before);
  ASSERT_TRUE(wal->save(state(2, 1, 1), {}).ok());
  EXPECT_EQ(disk_.syncs(), before + 1);
  ASSERT_TRUE(wal->save(state(2, 2, 1), {}).ok());
  EXPECT_EQ(disk_.syncs(), before + 2);
  const raft::Entry e = entry(2, 2, "x");
  ASSERT_TRUE(wal->save({}, {&e, 1}).ok());
  EXPECT_EQ(disk_.syncs(), before + 3);
  ASSERT_TRUE(wal->save(state(2, 2, 2), {}, Sync::always).ok());
  EXPECT_EQ(disk_.syncs(), before + 4);
  ASSERT_TRUE(wal->save(state(2, 2, 2), {}).ok());
  ASSERT_TRUE(wal->sync().ok());
  EXPECT_EQ(disk_.syncs(), before + 5);
}

TEST_F(WalTest, OneWritePerSave) {
  auto wal = create();
  int writes = 0;
  disk_.set_hook([&](const sim::DiskOperation& op) {
    writes += op.action == sim::DiskAction::write;
    return absl::OkStatus();
  });
  std::vector<raft::Entry> entries;
  for (uint64_t i = 1; i <= 20; ++i) entries.push_back(entry(i, 1, "0123456789"));
  ASSERT_TRUE(wal->save(state(1, 1, 0), entries).ok());
  EXPECT_EQ(writes, 1);
}

TEST_F(WalTest, CommitOnlyStatesAreBufferedWithinABound) {
  options_.segment_bytes = 64'000'000;
  auto wal = create();
  ASSERT_TRUE(wal->save(state(1, 1, 0), {}).ok());
  int writes = 0;
  disk_.set_hook([&](const sim::DiskOperation& op) {
    writes += op.action == sim::DiskAction::write;
    return absl::OkStatus();
  });
  for (uint64_t i = 0; i < 10'000; ++i) ASSERT_TRUE(wal->save(state(1, 1, i), {}).ok());
  EXPECT_GE(writes, 1);
  EXPECT_LE(writes, 4);
}

TEST_F(WalTest, UnsafeNoFsyncNeverSyncsAfterTheStart) {
  options_.fsync = Fsync::unsafe_no;
  const uint64_t before = disk_.syncs();
  auto wal = create();
  save(*wal, 1, 200);
  ASSERT_TRUE(wal->save_snapshot(snapshot(5, 1)).ok());
  EXPECT_EQ(disk_.syncs(), before);
  EXPECT_GT(wal->held_segments(), 2u);
}

// WAL-02, WAL-05: after a cut.
TEST_F(WalTest, CutStartsWithChecksumMetadataAndState) {
  auto wal = create();
  const std::string first = wal->tail_name();
  uint64_t index = 0;
  while (wal->tail_name() == first) {
    ++index;
    save(*wal, index, index, 1, 100);
  }
  EXPECT_EQ(wal->tail_name(), (SegmentName{1, Index(index + 1)}.text()));
  const std::string old = file(first);
  EXPECT_GE(old.size(), 4096u);
  EXPECT_LT(old.size(), 4096u + 200);
  EXPECT_EQ(file(wal->tail_name()).size(), 4096u);
  EXPECT_EQ(wal->held_segments(), 2u);
  wal.reset();

  const auto opened = open();
  ASSERT_TRUE(opened.ok()) << opened.status();
  EXPECT_EQ(opened->contents.entries.size(), index);
  EXPECT_EQ(opened->contents.hard_state, state(1, 1, index - 1));
  // Only the last file: state and metadata are there too.
  ASSERT_TRUE(disk_.remove(std::string(kDir) + "/" + first).ok());
}

TEST_F(WalTest, PreparedSegmentIsUsedAndRemovedAtTheEnd) {
  auto wal = create();
  EXPECT_TRUE(wal->wants_segment());
  ASSERT_TRUE(wal->preparer()->prepare().ok());
  ASSERT_TRUE(wal->preparer()->prepare().ok());
  EXPECT_FALSE(wal->wants_segment());
  EXPECT_TRUE(*disk_.exists(std::string(kDir) + "/0.tmp"));
  int opens = 0;
  disk_.set_hook([&](const sim::DiskOperation& op) {
    opens += op.action == sim::DiskAction::open;
    return absl::OkStatus();
  });
  save(*wal, 1, 1, 1, 5000);
  EXPECT_EQ(opens, 0) << "the cut allocated by itself";
  EXPECT_TRUE(wal->wants_segment());
  EXPECT_FALSE(*disk_.exists(std::string(kDir) + "/0.tmp"));
  ASSERT_TRUE(wal->preparer()->prepare().ok());
  EXPECT_TRUE(*disk_.exists(std::string(kDir) + "/1.tmp"));
  ASSERT_TRUE(wal->close().ok());
  EXPECT_FALSE(*disk_.exists(std::string(kDir) + "/1.tmp"));
  EXPECT_FALSE(wal->save(state(3, 3, 3), {}).ok());
  EXPECT_TRUE(wal->preparer()->prepare().ok()) << "late, and without effect";
  EXPECT_FALSE(*disk_.exists(std::string(kDir) + "/1.tmp"));
  wal.reset();
  ASSERT_TRUE(open().ok());
}

TEST_F(WalTest, StaleTemporaryFileDoesNotLeakIntoTheNextSegment) {
  auto wal = create();
  {
    auto stale = *disk_.open(std::string(kDir) + "/0.tmp", env::OpenMode::create);
    ASSERT_TRUE(stale->write_at(0, std::string(4096, 'x')).ok());
  }
  save(*wal, 1, 1, 1, 5000);
  save(*wal, 2, 2);
  wal.reset();
  EXPECT_EQ(open()->contents.entries.size(), 2u);
}

// WAL-09
TEST_F(WalTest, LaterEntryReplacesTheTail) {
  auto wal = create();
  save(*wal, 1, 5, 1);
  save(*wal, 3, 4, 2);
  wal.reset();
  const auto opened = open();
  ASSERT_EQ(opened->contents.entries.size(), 4u);
  EXPECT_EQ(opened->contents.entries[2].term, Term(2));
}

TEST_F(WalTest, GapIsSliceOutOfRange) {
  auto wal = create();
  save(*wal, 1, 2);
  save(*wal, 4, 4);
  wal.reset();
  const auto opened = open();
  EXPECT_EQ(fault_of(opened.status()), Fault::slice_out_of_range);
  EXPECT_NE(message(opened.status())
                .find("wal: slice bounds out of range, snapshot[Index: 0, Term: 0], current "
                      "entry[Index: 4, Term: 1], len(ents): 2"),
            std::string_view::npos)
      << opened.status();
}

TEST_F(WalTest, OpensFromASnapshot) {
  auto wal = create();
  save(*wal, 1, 60, 1, 100);
  ASSERT_TRUE(wal->save_snapshot(snapshot(50, 1)).ok());
  save(*wal, 61, 200, 1, 100);
  EXPECT_GT(wal->held_segments(), 4u);
  wal.reset();
  {
    const auto opened = open(snapshot(50, 1));
    ASSERT_TRUE(opened.ok()) << opened.status();
    EXPECT_EQ(opened->contents.entries.size(), 150u);
    EXPECT_EQ(opened->contents.entries.front().index, Index(51));
  }
  EXPECT_EQ(fault_of(open(snapshot(50, 2)).status()), Fault::snapshot_mismatch);
  EXPECT_EQ(fault_of(open(snapshot(51, 1)).status()), Fault::snapshot_not_found);
  EXPECT_EQ(verify(test_.world, kDir, snapshot(50, 1))->commit, Index(199));
  EXPECT_EQ(fault_of(verify(test_.world, kDir, snapshot(50, 3)).status()), Fault::snapshot_mismatch);
}

// A leader replaced the end of the log, and a snapshot was taken of what it sent: of what stood there before, nothing may
// come back behind the snapshot. (etcd's ReadAll lets it.)
TEST_F(WalTest, EntriesReplacedInFrontOfTheSnapshotStayReplaced) {
  auto wal = create();
  save(*wal, 1, 9, 1);
  save(*wal, 7, 8, 3);
  ASSERT_TRUE(wal->save_snapshot(snapshot(8, 3)).ok());
  wal.reset();
  {
    auto opened = open(snapshot(8, 3));
    ASSERT_TRUE(opened.ok()) << opened.status();
    EXPECT_TRUE(opened->contents.entries.empty()) << "entry 9 of term 1";
    save(*opened->wal, 9, 10, 4);
  }
  const auto opened = open(snapshot(8, 3));
  ASSERT_EQ(opened->contents.entries.size(), 2u);
  EXPECT_EQ(opened->contents.entries.front().term, Term(4));
}

// The same when the snapshot came from a leader whose log this one is not part of.
TEST_F(WalTest, EntriesThatAReceivedSnapshotReplacedStayReplaced) {
  auto wal = create();
  save(*wal, 1, 9, 1);
  ASSERT_TRUE(wal->save_snapshot(snapshot(5, 3)).ok());
  save(*wal, 6, 6, 3);
  wal.reset();
  const auto opened = open(snapshot(5, 3));
  ASSERT_TRUE(opened.ok()) << opened.status();
  ASSERT_EQ(opened->contents.entries.size(), 1u) << "entries 6 to 9 of term 1";
  EXPECT_EQ(opened->contents.entries.front().term, Term(3));
}

TEST_F(WalTest, SnapshotNeedsAConfiguration) {
  auto wal = create();
  EXPECT_TRUE(absl::IsInvalidArgument(wal->save_snapshot({Index(5), Term(1), std::nullopt})));
  EXPECT_TRUE(wal->health().ok()) << "a refused record is no damage";
}

TEST_F(WalTest, ReceivedSnapshotMovesTheIndexAndSurvivesReopening) {
  auto wal = create();
  save(*wal, 1, 5);
  ASSERT_TRUE(wal->save_snapshot(snapshot(1000, 3)).ok());
  EXPECT_EQ(wal->last_index(), Index(1000));
  wal.reset();
  {
    auto opened = open(snapshot(1000, 3));
    ASSERT_TRUE(opened.ok()) << opened.status();
    EXPECT_TRUE(opened->contents.entries.empty());
    EXPECT_EQ(opened->wal->last_index(), Index(1000));
    save(*opened->wal, 1001, 1001, 3, 6000);
    EXPECT_EQ(opened->wal->tail_name(), (SegmentName{1, Index(1002)}.text()));
  }
  EXPECT_EQ(open(snapshot(1000, 3))->contents.entries.size(), 1u);
}

// WAL-14
TEST_F(WalTest, ValidSnapshotsAreThoseThatAreCommitted) {
  auto wal = create();
  save(*wal, 1, 10);
  ASSERT_TRUE(wal->save_snapshot(snapshot(5, 1)).ok());
  ASSERT_TRUE(wal->save_snapshot(snapshot(8, 1)).ok());
  ASSERT_TRUE(wal->save_snapshot(snapshot(2000, 1)).ok());
  const auto valid = valid_snapshot_entries(test_.world, kDir);  // while it is open
  ASSERT_TRUE(valid.ok());
  ASSERT_EQ(valid->size(), 3u);
  EXPECT_EQ((*valid)[0], SnapshotRecord{});
  EXPECT_EQ((*valid)[1], snapshot(5, 1));
  EXPECT_EQ((*valid)[2], snapshot(8, 1));
}

// A power cut brought the segment before back, not the one between: what was purged and is no longer read does no harm.
TEST_F(WalTest, ValidSnapshotsBehindAGapOfPurgedSegments) {
  auto wal = create();
  save(*wal, 1, 3, 1, 5000);  // one segment each: first indexes 0, 2, 3, 4
  ASSERT_TRUE(wal->save_snapshot(snapshot(3, 1)).ok());
  save(*wal, 4, 5, 1, 5000);
  wal.reset();
  ASSERT_TRUE(disk_.remove(std::string(kDir) + "/" + SegmentName{1, Index(2)}.text()).ok());
  const auto valid = valid_snapshot_entries(test_.world, kDir);
  ASSERT_TRUE(valid.ok()) << valid.status();
  EXPECT_EQ(valid->back(), snapshot(3, 1));
  const auto opened = open(snapshot(3, 1));
  ASSERT_TRUE(opened.ok()) << opened.status();
  EXPECT_EQ(opened->contents.entries.size(), 2u);
}

}  // namespace
}  // namespace holdfast::wal
