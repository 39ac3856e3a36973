// Damage at every place: what was acknowledged is either served unchanged or the log is refused with file and position;
// it is never served changed, and never silently shortened.
#include "base/random.h"
#include "fmt/format.h"
#include "gtest/gtest.h"
#include "sim/sim_disk.h"
#include "wal/wal.h"
#include "wal_fixture.h"

namespace holdfast::wal {
namespace {

constexpr char kDir[] = "/wal";

class WalDamageTest : public ::testing::Test {
 protected:
  // Three segments with entries of many sizes, long runs of zero bytes among them.
  void SetUp() override {
    auto wal = *Wal::create(test_.world, options_, kDir, "somedata");
    Random random(7);
    uint64_t index = 0;
    while (wal->held_segments() < 3 || wal->tail_offset() < 2000) {
      std::vector<raft::Entry> entries;
      for (uint64_t n = random.below(4); n > 0; --n) {
        std::string data(random.below(300), static_cast<char>(random.next()));
        if (random.chance(1, 8)) data.assign(600, '\0');
        ++index;
        entries.push_back(entry(index, 1 + index / 10, data));
      }
      ASSERT_TRUE(wal->save(state(1 + index / 10, 0x8e9e05c52164694d, index / 2), entries).ok());
      if (random.chance(1, 10)) {
        ASSERT_TRUE(wal->save_snapshot(snapshot(std::max<uint64_t>(1, index / 2), 1)).ok());
      }
    }
    tail_ = wal->tail_name();
    tail_end_ = wal->tail_offset();
    wal.reset();
    pristine_ = Wal::open(test_.world, options_, kDir, {})->contents;
  }

  bool intact(const Contents& c) const {
    return c.entries == pristine_.entries && c.hard_state == pristine_.hard_state &&
           c.metadata == pristine_.metadata;
  }

  sim::SimDisk disk_{1};
  TestWorld test_{disk_};
  Options options_{.segment_bytes = 4096};
  std::string tail_;
  uint64_t tail_end_ = 0;
  Contents pristine_;
};

TEST_F(WalDamageTest, EveryFlippedBitIsFound) {
  for (const std::string& path : disk_.files_under(kDir)) {
    const bool tail = path.ends_with(tail_);
    const uint64_t end = tail ? tail_end_ : env::read_file(disk_, path, 1 << 20)->size();
    for (uint64_t offset = 0; offset < end; ++offset) {
      for (int bit = 0; bit < 8; ++bit) {
        disk_.flip_bit(path, offset, bit);
        const auto opened = Wal::open(test_.world, options_, kDir, {});
        ASSERT_FALSE(opened.ok()) << path << " at " << offset << " bit " << bit;
        ASSERT_EQ(fault_of(opened.status()), Fault::corrupt)
            << path << " at " << offset << " bit " << bit << ": " << opened.status();
        ASSERT_NE(message(opened.status()).find("in file '/wal/"), std::string_view::npos);
        ASSERT_NE(message(opened.status()).find("at position: "), std::string_view::npos);
        disk_.flip_bit(path, offset, bit);
      }
    }
  }
  EXPECT_TRUE(intact(Wal::open(test_.world, options_, kDir, {})->contents));
}

// Behind the end nothing is acknowledged: a flip there may be refused or wiped away, but never costs an entry.
TEST_F(WalDamageTest, FlippedBitBehindTheEndCostsNothing) {
  const std::string path = std::string(kDir) + "/" + tail_;
  for (uint64_t offset = tail_end_; offset < std::min<uint64_t>(tail_end_ + 700, 4096); ++offset) {
    for (int bit = 0; bit < 8; ++bit) {
      auto copy = disk_.clone(1);
      TestWorld test(*copy);
      copy->flip_bit(path, offset, bit);
      const auto opened = Wal::open_repairing(test.world, options_, kDir, {});
      if (opened.ok()) {
        ASSERT_TRUE(intact(opened->contents)) << "at " << offset << " bit " << bit;
      } else {
        ASSERT_EQ(fault_of(opened.status()), Fault::corrupt) << opened.status();
      }
    }
  }
}

// A cut in an earlier segment is refused; in the last one it is a torn tail or an early end, and what remains is a
// prefix.
TEST_F(WalDamageTest, TruncationAtEveryByte) {
  for (const std::string& path : disk_.files_under(kDir)) {
    const bool tail = path.ends_with(tail_);
    const uint64_t size = tail ? tail_end_ : env::read_file(disk_, path, 1 << 20)->size();
    for (uint64_t cut = 0; cut < size; cut += tail ? 1 : 7) {
      auto copy = disk_.clone(1);
      TestWorld test(*copy);
      ASSERT_TRUE((*copy->open(path, env::OpenMode::read_write))->truncate(cut).ok());
      const auto opened = Wal::open_repairing(test.world, options_, kDir, {});
      if (!tail || !opened.ok()) {
        ASSERT_EQ(fault_of(opened.status()), Fault::corrupt) << path << " cut at " << cut;
        ASSERT_TRUE(!tail || cut < 64) << "cut at " << cut << ": " << opened.status();
        continue;
      }
      const std::vector<raft::Entry>& left = opened->contents.entries;
      ASSERT_LE(left.size(), pristine_.entries.size());
      ASSERT_TRUE(std::equal(left.begin(), left.end(), pristine_.entries.begin()));
    }
  }
}

// A sector that was lost: in an earlier segment corruption; in the last one torn or corrupt, and never served changed.
TEST_F(WalDamageTest, EveryLostSector) {  // TRP-52
  for (const std::string& path : disk_.files_under(kDir)) {
    const bool tail = path.ends_with(tail_);
    const uint64_t size = tail ? tail_end_ : env::read_file(disk_, path, 1 << 20)->size();
    for (uint64_t sector = 0; sector + 512 <= size; sector += 512) {
      auto copy = disk_.clone(1);
      TestWorld test(*copy);
      auto file = *copy->open(path, env::OpenMode::read_write);
      const std::string zeros(512, '\0');
      std::string before(512, 'x');
      ASSERT_EQ(*file->read_at(sector, before.data(), 512), 512u);
      if (before == zeros) continue;
      ASSERT_TRUE(file->write_at(sector, zeros).ok());
      file.reset();
      const auto opened = Wal::open_repairing(test.world, options_, kDir, {});
      if (!tail || !opened.ok()) {
        ASSERT_EQ(fault_of(opened.status()), Fault::corrupt) << path << " sector at " << sector;
        continue;
      }
      const std::vector<raft::Entry>& left = opened->contents.entries;
      ASSERT_TRUE(left.size() <= pristine_.entries.size() &&
                  std::equal(left.begin(), left.end(), pristine_.entries.begin()));
    }
  }
}

// What is left of a log whose older segments were purged: one segment, and the snapshot it goes on from noted at its
// front. Damage there may look like a torn write; as nothing is left in front of it, it is damage, and is named.
TEST_F(WalDamageTest, DamageAtTheFrontOfACutLogIsNamed) {
  constexpr char kCut[] = "/cut";
  auto wal = *Wal::create(test_.world, options_, kCut, "somedata");
  const raft::Entry big = entry(1, 1, std::string(5000, 'v'));
  ASSERT_TRUE(wal->save(state(1, 1, 1), {&big, 1}).ok());
  const std::string path = std::string(kCut) + "/" + wal->tail_name();
  SnapshotRecord noted = snapshot(1, 1);
  for (uint64_t id = 1; id < 160; ++id) noted.conf_state->voters.push_back(MemberId(~id));
  ASSERT_TRUE(wal->save_snapshot(noted).ok());
  const uint64_t front = wal->tail_offset();
  ASSERT_GT(front, 3 * sim::kSectorBytes);
  wal.reset();
  ASSERT_TRUE(disk_.remove(std::string(kCut) + "/" + SegmentName{0, Index(0)}.text()).ok());
  ASSERT_EQ(valid_snapshot_entries(test_.world, kCut)->back(), noted);

  size_t seen_as_torn = 0;
  const auto must_name_it = [&](sim::SimDisk& disk, const std::string& damage) {
    TestWorld test(disk);
    const auto valid = valid_snapshot_entries(test.world, kCut);
    ASSERT_FALSE(valid.ok()) << damage;
    ASSERT_NE(message(valid.status()).find("in file '" + path + "' at position: "), std::string_view::npos)
        << damage << ": " << valid.status();
    seen_as_torn += fault_of(valid.status()) != Fault::corrupt ? 1 : 0;
  };
  for (uint64_t offset = 0; offset < front; offset += offset < 256 ? 1 : 13) {
    auto copy = disk_.clone(1);
    copy->flip_bit(path, offset, static_cast<int>(offset % 8));
    must_name_it(*copy, fmt::format("a bit at {}", offset));
  }
  for (uint64_t sector = 0; sector + sim::kSectorBytes <= front; sector += sim::kSectorBytes) {
    auto copy = disk_.clone(1);
    ASSERT_TRUE((*copy->open(path, env::OpenMode::read_write))->write_at(sector, std::string(sim::kSectorBytes, 0)).ok());
    must_name_it(*copy, fmt::format("the sector at {}", sector));
  }
  EXPECT_GT(seen_as_torn, 0u);
}

}  // namespace
}  // namespace holdfast::wal
