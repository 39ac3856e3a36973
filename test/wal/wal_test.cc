#include "wal/wal.h"

#include <map>

#include "gtest/gtest.h"
#include "sim/sim_disk.h"
#include "wal/snap_file.h"
#include "wal_fixture.h"

namespace holdfast::wal {
namespace {

constexpr char kDir[] = "/data/member/wal";

class RecordingMetrics : public env::NullMetrics {
 public:
  struct Series : env::Histogram, env::Gauge {
    void observe(double v) override { values.push_back(v); }
    void set(double v) override { values = {v}; }
    void add(double n) override { total += n; }
    std::vector<double> values;
    double total = 0;
  };
  env::Gauge& gauge(const std::string& name, const std::string&, const env::Labels&) override {
    return series[name];
  }
  env::Histogram& histogram(const std::string& name, const std::string&,
                            const std::vector<double>& bounds, const env::Labels&) override {
    buckets[name] = bounds;
    return series[name];
  }
  std::map<std::string, Series> series;
  std::map<std::string, std::vector<double>> buckets;
};

class WalTest : public ::testing::Test {
 protected:
  void SetUp() override {
    ASSERT_TRUE(disk_.create_directories("/data/member").ok());
    ASSERT_TRUE(disk_.sync_directory("/").ok());
    ASSERT_TRUE(disk_.sync_directory("/data").ok());
  }

  std::unique_ptr<Wal> create() {
    auto wal = Wal::create(test_.world, options_, kDir, "somedata");
    EXPECT_TRUE(wal.ok()) << wal.status();
    return *std::move(wal);
  }
  absl::StatusOr<Wal::Opened> open(const SnapshotRecord& from = {}) {
    return Wal::open(test_.world, options_, kDir, from);
  }
  std::string file(const std::string& name) {
    return *env::read_file(disk_, std::string(kDir) + "/" + name, 1 << 30);
  }
  void save(Wal& wal, uint64_t first, uint64_t last, uint64_t term = 1, size_t size = 10) {
    for (uint64_t i = first; i <= last; ++i) {
      const raft::Entry e = entry(i, term, std::string(size, 'v'));
      ASSERT_TRUE(wal.save(state(term, 1, i - 1), {&e, 1}).ok());
    }
  }

  sim::SimDisk disk_{1};
  TestWorld test_{disk_};
  Options options_{.segment_bytes = 4096};
};

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

// WAL-13: locks.
TEST_F(WalTest, SecondOpenIsRefusedWhileHeld) {
  auto wal = create();
  const auto second = open();
  EXPECT_TRUE(absl::IsUnavailable(second.status()));
  EXPECT_NE(message(second.status()).find("in use by another process"), std::string_view::npos);
  EXPECT_TRUE(verify(test_.world, kDir, {}).ok());
}

TEST_F(WalTest, ReleasesLocksUpToAnIndex) {
  auto wal = create();
  save(*wal, 1, 10, 1, 5000);  // one segment each: first indexes 0, 2, 3, ..., 11
  ASSERT_EQ(wal->held_segments(), 11u);
  wal->release_lock_to(Index(0));
  EXPECT_EQ(wal->held_segments(), 11u);
  wal->release_lock_to(Index(5));
  EXPECT_EQ(wal->held_segments(), 8u);  // from the one that begins at 4
  wal->release_lock_to(Index(5));
  EXPECT_EQ(wal->held_segments(), 8u);
  wal->release_lock_to(Index(1000));
  EXPECT_EQ(wal->held_segments(), 1u);
  auto released = *disk_.open(std::string(kDir) + "/" + SegmentName{0, Index(0)}.text(),
                              env::OpenMode::read_write);
  EXPECT_TRUE(released->try_lock().ok());
}

TEST_F(WalTest, MissingFilesAreNamed) {
  EXPECT_TRUE(absl::IsNotFound(open().status()));
  ASSERT_TRUE(disk_.create_directories(kDir).ok());
  EXPECT_EQ(fault_of(open().status()), Fault::file_not_found);
  EXPECT_EQ(fault_of(valid_snapshot_entries(test_.world, kDir).status()), Fault::file_not_found);
  EXPECT_FALSE(exists(disk_, kDir));
  auto wal = create();
  save(*wal, 1, 5, 1, 5000);
  wal.reset();
  ASSERT_TRUE(disk_.remove(std::string(kDir) + "/" + SegmentName{2, Index(3)}.text()).ok());
  const auto gap = open();
  EXPECT_EQ(fault_of(gap.status()), Fault::not_continuous);
  EXPECT_NE(message(gap.status()).find("do not increase continuously"), std::string_view::npos);
  ASSERT_TRUE(disk_.remove(std::string(kDir) + "/" + SegmentName{0, Index(0)}.text()).ok());
  ASSERT_TRUE(disk_.remove(std::string(kDir) + "/" + SegmentName{1, Index(2)}.text()).ok());
  EXPECT_EQ(message(open().status()), "wal: file not found which matches the snapshot index '0'");
}

TEST_F(WalTest, ForeignFilesAreIgnoredWithAWarning) {
  auto wal = create();
  for (const char* name : {"notes.txt", "7.tmp", "0000000000000001-0000000000000002.wal.broken"})
    ASSERT_TRUE(disk_.open(std::string(kDir) + "/" + name, env::OpenMode::create).ok());
  wal.reset();
  EXPECT_TRUE(open().ok());
  EXPECT_TRUE(test_.logger.has("ignored file in WAL directory path=\"notes.txt\""));
  EXPECT_FALSE(test_.logger.has("7.tmp"));
}

TEST_F(WalTest, ConflictingMetadata) {
  create();
  RecordWriter first, second;
  first.put_crc();
  first.put(RecordType::metadata, "somedata");
  second = RecordWriter(first.crc());
  second.put_crc();
  second.put(RecordType::metadata, "others");
  const auto write = [&](const SegmentName& name, const RecordWriter& content) {
    auto file = *disk_.open(std::string(kDir) + "/" + name.text(), env::OpenMode::create_or_open);
    ASSERT_TRUE(file->truncate(0).ok());
    ASSERT_TRUE(file->write_at(0, content.buffered()).ok());
  };
  write({0, Index(0)}, first);
  write({1, Index(1)}, second);
  EXPECT_EQ(fault_of(open().status()), Fault::metadata_conflict);
}

// A failed write or sync ends the log for good.
TEST_F(WalTest, FailurePoisons) {
  for (auto [ppm_write, ppm_sync] : {std::pair{1'000'000u, 0u}, std::pair{0u, 1'000'000u}}) {
    auto copy = disk_.clone(1);
    TestWorld test(*copy);
    auto wal = *Wal::create(test.world, options_, kDir, "m");
    copy->set_faults({.write_error_ppm = ppm_write, .sync_error_ppm = ppm_sync});
    const raft::Entry e = entry(1, 1, "x");
    const absl::Status failed = wal->save(state(1, 1, 0), {&e, 1});
    EXPECT_EQ(failed.code(), absl::StatusCode::kDataLoss);
    copy->set_faults({});
    EXPECT_EQ(wal->save(state(1, 1, 0), {&e, 1}), failed);
    EXPECT_EQ(wal->save(state(1, 1, 0), {}), failed);
    EXPECT_EQ(wal->sync(), failed);
    EXPECT_EQ(wal->save_snapshot(snapshot(1, 1)), failed);
    EXPECT_EQ(wal->close(), failed);
    EXPECT_EQ(wal->health(), failed);
  }
}

TEST_F(WalTest, FullDiskIsReported) {
  auto wal = create();
  disk_.set_faults({.capacity_bytes = disk_.used_bytes() + 100});
  const raft::Entry e = entry(1, 1, std::string(6000, 'x'));
  const absl::Status full = wal->save(state(1, 1, 0), {&e, 1});
  EXPECT_TRUE(absl::IsResourceExhausted(full));
  EXPECT_NE(message(full).find("No space left on device"), std::string_view::npos);
  EXPECT_TRUE(absl::IsResourceExhausted(wal->preparer()->prepare()));
  disk_.set_faults({});
  EXPECT_TRUE(wal->preparer()->prepare().ok()) << "the preparer starts afresh";
  EXPECT_FALSE(wal->health().ok());
}

// Once for each stretch, behind what is written, and the file reads as if nothing had been done.
TEST_F(WalTest, ZerosAreWrittenAheadOfRecords) {
  options_ = {.segment_bytes = 64'000, .zero_ahead_bytes = 8'192};
  auto wal = create();
  std::vector<sim::DiskOperation> writes;
  disk_.set_hook([&](const sim::DiskOperation& op) {
    if (op.action == sim::DiskAction::write) writes.push_back(op);
    return absl::OkStatus();
  });
  const uint64_t begin = wal->tail_offset();
  save(*wal, 1, 100, 1, 100);
  disk_.set_hook({});
  EXPECT_EQ(begin + 8'192 > wal->tail_offset(), false) << "the records must outgrow a stretch";
  uint64_t end = begin, zeros = 0;
  for (const sim::DiskOperation& op : writes) {
    EXPECT_EQ(op.offset, end) << "zeros begin where the records end";
    if (op.size == 8'192) {
      ++zeros;
    } else {
      end += op.size;
    }
  }
  EXPECT_EQ(end, wal->tail_offset());
  EXPECT_EQ(writes.size(), 100 + zeros);
  EXPECT_GE(zeros, (end - begin) / 8'192);
  EXPECT_LE(zeros, (end - begin) / 8'192 + 1);
  EXPECT_EQ(file("0000000000000000-0000000000000000.wal").find_first_not_of('\0', end), std::string::npos);
  wal.reset();
  EXPECT_EQ(open()->contents.entries.size(), 100u);
}

TEST_F(WalTest, ZerosStopAtTheEndOfTheSegment) {
  options_ = {.segment_bytes = 4'096, .zero_ahead_bytes = 1 << 20};
  auto wal = create();
  EXPECT_EQ(file("0000000000000000-0000000000000000.wal").size(), 4'096u);
  save(*wal, 1, 100, 1, 100);
  EXPECT_GT(wal->held_segments(), 1u);
  EXPECT_EQ(file(wal->tail_name()).size(), 4'096u);
}

TEST_F(WalTest, NoRoomForZerosIsNoError) {
  options_ = {.segment_bytes = 64'000, .zero_ahead_bytes = 4'096};
  auto wal = create();
  disk_.set_hook([](const sim::DiskOperation& op) {
    return op.action == sim::DiskAction::write && op.size == 4'096
               ? absl::ResourceExhaustedError("write: No space left on device")
               : absl::OkStatus();
  });
  save(*wal, 1, 100, 1, 100);
  EXPECT_TRUE(wal->health().ok());
}

// A purge may run while a member stops: what the next start needs is locked until the log is gone.
TEST_F(WalTest, ClosedLogIsNotPurged) {
  auto wal = create();
  save(*wal, 1, 100, 1, 200);
  const size_t segments = wal->held_segments();
  ASSERT_GT(segments, 2u);
  ASSERT_TRUE(wal->close().ok());
  const PurgeRule rule{.suffix = ".wal", .keep = 1, .locks = Locks::respected};
  EXPECT_EQ(*purge(disk_, test_.logger, kDir, rule), 0u);
  wal.reset();
  EXPECT_EQ(*purge(disk_, test_.logger, kDir, rule), segments - 1);
}

TEST_F(WalTest, UnreadableDirectory) {
  create();
  disk_.set_hook([](const sim::DiskOperation& op) {
    return op.action == sim::DiskAction::list
               ? absl::PermissionDeniedError("list /data/member/wal: Permission denied")
               : absl::OkStatus();
  });
  EXPECT_TRUE(absl::IsPermissionDenied(open().status()));
}

TEST_F(WalTest, ReadErrorIsNotTakenForDamage) {
  create();
  disk_.set_faults({.read_error_ppm = 1'000'000});
  const auto opened = Wal::open_repairing(test_.world, options_, kDir, {});
  EXPECT_EQ(opened.status().code(), absl::StatusCode::kDataLoss);
  EXPECT_EQ(fault_of(opened.status()), Fault::none);
}

// MET-20, WAL-12
TEST_F(WalTest, MetricsAndSlowSyncWarning) {
  RecordingMetrics metrics;
  World world{disk_, test_.clock, test_.logger, metrics, test_.faults};
  auto wal = *Wal::create(world, options_, kDir, "m");
  const double head = metrics.series["etcd_disk_wal_write_bytes_total"].total;
  EXPECT_EQ(head, wal->tail_offset());
  EXPECT_EQ(metrics.buckets["etcd_disk_wal_fsync_duration_seconds"],
            env::exponential_buckets(0.001, 2, 14));
  EXPECT_EQ(metrics.buckets["etcd_disk_wal_write_duration_seconds"],
            env::exponential_buckets(0.001, 2, 14));
  save(*wal, 1, 1);
  EXPECT_FALSE(test_.logger.has("slow fdatasync"));
  disk_.set_hook([&](const sim::DiskOperation& op) {
    if (op.action == sim::DiskAction::sync) test_.clock.now_ns += 1'500'000'000;
    return absl::OkStatus();
  });
  save(*wal, 2, 2);
  EXPECT_TRUE(test_.logger.has("warn slow fdatasync took=\"1.5s\" expected-duration=\"1s\""));
  EXPECT_EQ(metrics.series["etcd_disk_wal_fsync_duration_seconds"].values.back(), 1.5);
  EXPECT_EQ(metrics.series["etcd_disk_wal_write_bytes_total"].total, wal->tail_offset());
}

// WAL-11: remains behind the end are zeroed before anything is appended.
TEST_F(WalTest, RemainsOfATornWriteAreZeroed) {
  auto wal = create();
  save(*wal, 1, 1);
  const uint64_t end = wal->tail_offset();
  const std::string path = std::string(kDir) + "/" + wal->tail_name();
  wal.reset();
  ASSERT_TRUE((*disk_.open(path, env::OpenMode::read_write))->write_at(1024, "remains").ok());
  auto opened = open();
  ASSERT_TRUE(opened.ok()) << opened.status();
  EXPECT_EQ(opened->wal->tail_offset(), end);
  const std::string content = *env::read_file(disk_, path, 1 << 20);
  EXPECT_EQ(content.size(), 4096u);
  EXPECT_EQ(content.find_first_not_of('\0', end), std::string::npos);
  save(*opened->wal, 2, 30);
  opened->wal.reset();
  EXPECT_EQ(open()->contents.entries.size(), 30u);
}

// WAL-10
TEST_F(WalTest, RepairCutsTheTornTailOffOnceAndKeepsACopy) {
  auto wal = create();
  save(*wal, 1, 3, 1, 100);
  const uint64_t end = wal->tail_offset();
  const std::string path = std::string(kDir) + "/" + wal->tail_name();
  save(*wal, 4, 4, 1, 2000);
  wal.reset();
  const std::string zeros(512, '\0');
  ASSERT_TRUE((*disk_.open(path, env::OpenMode::read_write))->write_at(1024, zeros).ok());
  const std::string torn = *env::read_file(disk_, path, 1 << 20);
  EXPECT_EQ(fault_of(open().status()), Fault::torn_tail);
  EXPECT_TRUE(verify(test_.world, kDir, {}).ok());
  {
    auto opened = Wal::open_repairing(test_.world, options_, kDir, {});
    ASSERT_TRUE(opened.ok()) << opened.status();
    EXPECT_EQ(opened->contents.entries.size(), 3u);
    EXPECT_EQ(opened->wal->tail_offset(), end);
    save(*opened->wal, 4, 4);
  }
  EXPECT_EQ(*env::read_file(disk_, path + ".broken", 1 << 20), torn);
  EXPECT_EQ(open()->contents.entries.size(), 4u);
  EXPECT_TRUE(repair(test_.world, kDir).ok()) << "nothing to repair is no error";
}

// Trap of the format: the same hole in a segment that is not the last is damage.
TEST_F(WalTest, HoleInAnEarlierSegmentIsCorruption) {
  auto wal = create();
  save(*wal, 1, 4, 1, 2000);
  ASSERT_GT(wal->held_segments(), 1u);
  wal.reset();
  const std::string path = std::string(kDir) + "/" + SegmentName{}.text();
  ASSERT_TRUE(
      (*disk_.open(path, env::OpenMode::read_write))->write_at(1024, std::string(512, '\0')).ok());
  const auto opened = Wal::open_repairing(test_.world, options_, kDir, {});
  EXPECT_EQ(fault_of(opened.status()), Fault::corrupt);
  EXPECT_NE(message(opened.status()).find("in file '" + path + "' at position: "),
            std::string_view::npos)
      << opened.status();
}

}  // namespace
}  // namespace holdfast::wal
