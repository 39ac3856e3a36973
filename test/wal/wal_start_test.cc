// A member's start reads its log once. What comes of it is what two readings make of it, one that finds the newest snapshot
// and one that reads from there on: for every log that a member writes, and for damaged ones.
#include <map>
#include <utility>

#include "base/random.h"
#include "fmt/format.h"
#include "gtest/gtest.h"
#include "sim/sim_disk.h"
#include "wal/wal.h"
#include "wal_fixture.h"
#include "written_log.h"

namespace holdfast::wal {
namespace {

struct Outcome {
  absl::StatusOr<Wal::Opened> opened = absl::UnknownError("");
  std::string held;  // where the log goes on, and from which segment on it is held
  size_t segments_opened = 0;
  uint64_t bytes_read = 0;

  std::string text() const { return opened.ok() ? held : std::string(opened.status().message()); }
};

absl::StatusOr<Wal::Opened> open_in_two_readings(const World& world, const Options& options) {
  const auto newest = newest_snapshot_entry(world, kLogDir);
  if (!newest.ok()) return newest.status();
  return Wal::open_repairing(world, options, kLogDir, *newest);
}

// On `disk`, which is changed as a start changes it.
Outcome start(sim::SimDisk& disk, const Options& options, bool once, Index guess = Index(0)) {
  Outcome outcome;
  disk.set_hook([&outcome](const sim::DiskOperation& operation) {
    if (!operation.path.ends_with(".wal")) return absl::OkStatus();
    if (operation.action == sim::DiskAction::open) ++outcome.segments_opened;
    if (operation.action == sim::DiskAction::read) outcome.bytes_read += operation.size;
    return absl::OkStatus();
  });
  TestWorld test(disk);
  outcome.opened = once ? Wal::open_newest(test.world, options, kLogDir, guess) : open_in_two_readings(test.world, options);
  disk.set_hook({});
  if (!outcome.opened.ok()) return outcome;
  const Wal& wal = *outcome.opened->wal;
  outcome.held = fmt::format("{} at {}, {} segments, last index {}", wal.tail_name(), wal.tail_offset(),
                             wal.held_segments(), wal.last_index().value);
  outcome.opened->wal.reset();
  return outcome;
}

void expect_same(const Outcome& once, const Outcome& twice) {
  ASSERT_EQ(once.opened.ok(), twice.opened.ok()) << once.text() << "\n" << twice.text();
  EXPECT_EQ(once.text(), twice.text());
  if (!once.opened.ok()) return;
  EXPECT_EQ(once.opened->from, twice.opened->from);
  EXPECT_EQ(once.opened->contents.metadata, twice.opened->contents.metadata);
  EXPECT_EQ(once.opened->contents.hard_state, twice.opened->contents.hard_state);
  EXPECT_EQ(once.opened->contents.entries, twice.opened->contents.entries);
}

std::map<std::string, std::string> files_of(sim::SimDisk& disk) {
  std::map<std::string, std::string> files;
  for (const std::string& path : disk.files_under(kLogDir)) files[path] = *env::read_file(disk, path, 1 << 24);
  return files;
}

// WAL-09, WAL-10, WAL-14
TEST(WalStart, OneReadingTellsWhatTwoTell) {
  int at_snapshots = 0;
  int torn = 0;
  int counted_late = 0;
  int readings_by_wrong_guess = 0;
  for (uint64_t seed = 1; seed <= 300; ++seed) {
    SCOPED_TRACE(::testing::Message() << "seed " << seed);
    WrittenLog log(seed);
    for (int life = 0; life < 6; ++life) {
      log.live_and_end();
      const size_t segments = log.segments();
      const auto other = log.disk().clone(seed);
      const auto third = log.disk().clone(seed);
      const Outcome twice = start(*other, log.options(), false);
      const Outcome once = start(log.disk(), log.options(), true);
      if (log.may_have_hole() && fault_of(once.opened.status()) == Fault::slice_out_of_range) {
        expect_same(once, twice);
        break;
      }
      ASSERT_TRUE(once.opened.ok()) << once.text();
      // Two readings don't find the note of a snapshot that came to count only segments later.
      if (fault_of(twice.opened.status()) == Fault::snapshot_not_found) {
        ++counted_late;
      } else {
        expect_same(once, twice);
        EXPECT_EQ(files_of(log.disk()), files_of(*other));
      }
      EXPECT_EQ(once.segments_opened, segments + 1) << "each once, and the tail to settle it";
      if (::testing::Test::HasFailure()) return;
      // Whatever is guessed; if it is right, one reading tells.
      const Outcome guessed = start(*third, log.options(), true, log.some_guess());
      expect_same(guessed, once);
      EXPECT_EQ(files_of(*third), files_of(log.disk()));
      readings_by_wrong_guess += guessed.segments_opened > segments + 1;
      const Outcome right = start(*third, log.options(), true, once.opened->from.index);
      EXPECT_EQ(right.opened->contents.entries, once.opened->contents.entries);
      EXPECT_EQ(right.segments_opened, segments + 1);
      at_snapshots += once.opened->from.index > Index(0);
      torn += once.segments_opened + 1 < twice.segments_opened - segments;
      log.go_on(once.opened->from, once.opened->contents);
    }
  }
  EXPECT_GT(at_snapshots, 100);
  EXPECT_GT(torn, 10);
  EXPECT_GT(counted_late, 0);
  EXPECT_GT(readings_by_wrong_guess, 0);
}

// Every refusal is the one that two readings give, with file and place, and leaves the log as it was.
TEST(WalStart, DamageIsSeenAsInTwoReadings) {
  int refused = 0;
  for (const uint64_t seed : {3, 4, 5}) {
    WrittenLog log(seed);
    log.live_and_end();
    const auto pristine = files_of(log.disk());
    Random random(seed);
    for (int n = 0; n < 1500; ++n) {
      auto at = pristine.begin();
      std::advance(at, random.below(pristine.size()));
      const auto& [path, bytes] = *at;
      if (!path.ends_with(".wal") || bytes.empty()) continue;
      const auto damaged = log.disk().clone(1);
      const uint64_t place = random.below(std::min<size_t>(bytes.size(), 6000));
      if (random.chance(1, 3)) {
        const std::string zeros(512, '\0');
        ASSERT_TRUE((*damaged->open(path, env::OpenMode::read_write))->write_at(place / 512 * 512, zeros).ok());
      } else {
        damaged->flip_bit(path, place, static_cast<int>(random.below(8)));
      }
      const auto before = files_of(*damaged);
      const Outcome twice = start(*damaged->clone(1), log.options(), false);
      const Outcome once = start(*damaged, log.options(), true);
      SCOPED_TRACE(::testing::Message() << "seed " << seed << ", " << path << " at " << place);
      // Two readings repair a torn header, and then miss it.
      if (twice.text().starts_with("segment without header")) {
        EXPECT_EQ(fault_of(once.opened.status()), Fault::corrupt);
      } else {
        expect_same(once, twice);
      }
      if (!once.opened.ok()) {
        EXPECT_EQ(files_of(*damaged), before);
      }
      if (::testing::Test::HasFailure()) return;
      refused += once.opened.ok() ? 0 : 1;
    }
  }
  EXPECT_GT(refused, 100);
}

}  // namespace
}  // namespace holdfast::wal
