// A log and its disk: locks, missing and foreign files, failures, room, torn tails.
#include "wal/wal.h"

#include "wal/snap_file.h"
#include "wal_on_disk.h"

namespace holdfast::wal {
namespace {

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
