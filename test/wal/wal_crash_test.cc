// Random histories on a disk that crashes: what was acknowledged is there afterwards, in order; of what was not, a prefix
// of the entries of the interrupted save at most; and the log goes on from there.
#include <map>

#include "base/random.h"
#include "gtest/gtest.h"
#include "power_loss.h"
#include "sim/sim_disk.h"
#include "wal/wal.h"
#include "wal_fixture.h"

namespace holdfast::wal {
namespace {

constexpr char kDir[] = "/data/wal";

class Model {
 public:
  explicit Model(uint64_t seed)
      : random_(seed), disk_(random_.next()), test_(disk_), options_{.segment_bytes = segment()} {}

  void run() {
    create();
    for (int life = 0; life < 6 && !::testing::Test::HasFatalFailure(); ++life) {
      live();
      if (random_.chance(3, 4)) {
        disk_.crash();
      } else {
        disk_.end_process();  // what was only in the process's memory is gone too
      }
      recover();
    }
  }

 private:
  uint64_t segment() { return 4096 << random_.below(4); }

  void create() {
    ASSERT_TRUE(disk_.create_directories("/data").ok());
    ASSERT_TRUE(disk_.sync_directory("/").ok());
    auto wal = Wal::create(test_.world, options_, kDir, "somedata");
    ASSERT_TRUE(wal.ok()) << wal.status();
    wal_ = *std::move(wal);
  }

  // Runs until the power fails in the middle of some disk operation, or for a while.
  void live() {
    const uint64_t operations = random_.chance(1, 8) ? 1'000'000 : random_.below(150);
    run_until_power_fails(disk_, operations, [this] {
      for (uint64_t n = random_.below(80); n > 0; --n) step();
    });
  }

  void step() {
    if (random_.chance(1, 12)) {
      ASSERT_TRUE(wal_->preparer()->prepare().ok());
    } else if (random_.chance(1, 10) && commit_ > 0) {
      pending_snapshot_ = snapshot(commit_, term_at(commit_));
      ASSERT_TRUE(wal_->save_snapshot(*pending_snapshot_).ok());
      acknowledge();
    } else {
      save();
    }
  }

  void save() {
    if (random_.chance(1, 6)) ++term_;
    // A new leader may overwrite what is not committed.
    uint64_t next = last() + 1;
    if (random_.chance(1, 6)) next = commit_ + 1 + random_.below(last() - commit_ + 1);
    std::vector<raft::Entry> entries;
    for (uint64_t n = random_.below(6); n > 0; --n) {
      std::string data(random_.chance(1, 10) ? random_.below(3000) : random_.below(100), '\0');
      if (random_.chance(3, 4))
        for (char& c : data) c = static_cast<char>(random_.next());
      entries.push_back(entry(next++, term_, data));
    }
    if (random_.chance(1, 2)) {
      const uint64_t end = entries.empty() ? last() : entries.back().index.value;
      commit_ += random_.below(end - commit_ + 1);
    }
    const raft::HardState now = state(term_, 1 + term_ % 3, commit_);
    const bool durable = !entries.empty() || now.term != states_.back().term;
    pending_entries_ = entries;
    states_.push_back(now);
    ASSERT_TRUE(wal_->save(now, entries).ok());
    write(log_, entries);
    pending_entries_.clear();
    if (durable) acknowledge();
  }

  static void write(std::vector<raft::Entry>& log, const std::vector<raft::Entry>& entries) {
    if (entries.empty()) return;
    log.resize(entries.front().index.value - 1);
    log.insert(log.end(), entries.begin(), entries.end());
  }

  // Everything before is on the disk now.
  void acknowledge() {
    acknowledged_state_ = states_.size() - 1;
    if (pending_snapshot_) snapshots_.push_back(*std::exchange(pending_snapshot_, std::nullopt));
  }

  void recover() {
    wal_.reset();
    const auto valid = valid_snapshot_entries(test_.world, kDir);
    ASSERT_TRUE(valid.ok()) << valid.status();
    auto opened = Wal::open_repairing(test_.world, options_, kDir, {});
    ASSERT_TRUE(opened.ok()) << opened.status();
    const Contents& found = opened->contents;
    EXPECT_EQ(found.metadata, "somedata");
    check_entries(found.entries);
    // The state is the last acknowledged one or a later one.
    const auto state = std::find(states_.begin() + static_cast<ptrdiff_t>(acknowledged_state_),
                                 states_.end(), found.hard_state);
    EXPECT_NE(state, states_.end()) << "term " << found.hard_state.term;
    for (const SnapshotRecord& s : snapshots_)
      EXPECT_TRUE(std::find(valid->begin(), valid->end(), s) != valid->end())
          << "lost snapshot record " << s.index << ", commit " << found.hard_state.commit;
    if (!snapshots_.empty()) {
      EXPECT_TRUE(verify(test_.world, kDir, snapshots_.back()).ok());
    }

    log_ = found.entries;
    states_ = {found.hard_state};
    acknowledged_state_ = 0;
    term_ = std::max<uint64_t>(found.hard_state.term.value, term_) + 1;
    commit_ = found.hard_state.commit.value;
    pending_entries_.clear();
    pending_snapshot_.reset();
    wal_ = std::move(opened->wal);
  }

  // The log as acknowledged, or with a prefix of the pending entries written over it.
  void check_entries(const std::vector<raft::Entry>& found) {
    if (found == log_) return;
    for (size_t n = 1; n <= pending_entries_.size(); ++n) {
      std::vector<raft::Entry> expected = log_;
      write(expected, {pending_entries_.begin(), pending_entries_.begin() + static_cast<ptrdiff_t>(n)});
      if (found == expected) return;
    }
    ADD_FAILURE() << "found " << found.size() << " entries, acknowledged " << log_.size() << ", pending "
                  << pending_entries_.size();
  }

  uint64_t last() const { return log_.size(); }
  uint64_t term_at(uint64_t index) const { return log_[index - 1].term.value; }

  Random random_;
  sim::SimDisk disk_;
  TestWorld test_;
  Options options_;
  std::unique_ptr<Wal> wal_;

  uint64_t term_ = 1;
  uint64_t commit_ = 0;
  std::vector<raft::Entry> log_;                  // saved with OK
  std::vector<raft::Entry> pending_entries_;      // of the save under way
  std::vector<raft::HardState> states_{{}};       // all since the last recovery
  size_t acknowledged_state_ = 0;                 // the last one known to be durable
  std::vector<SnapshotRecord> snapshots_;         // saved with OK
  std::optional<SnapshotRecord> pending_snapshot_;
};

TEST(WalCrash, AcknowledgedSavesSurviveAndNothingIsHalfThere) {
  for (uint64_t seed = 1; seed <= 300; ++seed) {
    SCOPED_TRACE(::testing::Message() << "seed " << seed);
    Model(seed).run();
    if (::testing::Test::HasFailure()) return;
  }
}

// A sync that lies: after a crash the log may be shorter, but what it serves is true, or it refuses.
TEST(WalCrash, LostSyncsAreAShorterLogOrRefused) {
  int shorter = 0;
  for (uint64_t seed = 1; seed <= 400; ++seed) {
    sim::SimDisk disk(seed);
    TestWorld test(disk);
    const Options options{.segment_bytes = 8192};
    auto wal = *Wal::create(test.world, options, "/wal", "m");
    disk.set_faults({.lost_sync_ppm = 300'000});
    std::vector<raft::Entry> all;
    Random random(seed);
    for (uint64_t i = 1; i <= 60; ++i) {
      std::string data(random.below(400), '\0');
      for (char& c : data) c = static_cast<char>(random.next());
      all.push_back(entry(i, 1, data));
      ASSERT_TRUE(wal->save(state(1, 1, i - 1), {&all.back(), 1}).ok());
    }
    wal.reset();
    disk.set_faults({});
    disk.crash();
    const auto opened = Wal::open_repairing(test.world, options, "/wal", {});
    if (!opened.ok()) continue;
    const std::vector<raft::Entry>& found = opened->contents.entries;
    ASSERT_LE(found.size(), all.size());
    ASSERT_TRUE(std::equal(found.begin(), found.end(), all.begin())) << "seed " << seed;
    shorter += found.size() < all.size();
  }
  EXPECT_GT(shorter, 0);
}

// Crash at each disk operation of a fixed history, many outcomes each.
TEST(WalCrash, AtEveryOperation) {
  for (uint64_t stop = 1; stop < 60; ++stop) {
    for (uint64_t seed = 0; seed < 20; ++seed) {
      sim::SimDisk disk(seed);
      TestWorld test(disk);
      const Options options{.segment_bytes = 4096};
      uint64_t acknowledged = 0;
      bool created = false;
      run_until_power_fails(disk, stop, [&] {
        auto wal = *Wal::create(test.world, options, "/wal", "m");
        created = true;
        for (uint64_t i = 1; i <= 12; ++i) {
          const raft::Entry e = entry(i, 1, std::string(900, static_cast<char>('a' + i)));
          ASSERT_TRUE(wal->save(state(1, 1, i - 1), {&e, 1}).ok());
          acknowledged = i;
        }
      });
      disk.crash();
      const auto opened = Wal::open_repairing(test.world, options, "/wal", {});
      if (!created && !opened.ok()) {
        ASSERT_FALSE(exists(disk, "/wal")) << opened.status();
        ASSERT_TRUE(Wal::create(test.world, options, "/wal", "m").ok());
        continue;
      }
      ASSERT_TRUE(opened.ok()) << "stop " << stop << " seed " << seed << ": " << opened.status();
      const auto& found = opened->contents.entries;
      ASSERT_GE(found.size(), acknowledged) << "stop " << stop << " seed " << seed;
      ASSERT_LE(found.size(), acknowledged + 1);
      for (const raft::Entry& e : found)
        ASSERT_EQ(e.data.view(), std::string(900, static_cast<char>('a' + e.index.value)));
    }
  }
}

// Wherever the power fails while a received snapshot and entries behind it are noted: either the snapshot counts, and the log
// goes on from it, or nothing is there that would need it.
TEST(WalCrash, ReceivedSnapshotLeavesNoHole) {
  const std::vector<raft::Entry> before = {entry(1, 1, "a"), entry(2, 1, "b"), entry(3, 1, "c")};
  const std::vector<raft::Entry> behind = {entry(11, 2, std::string(1500, 'x')), entry(12, 2, std::string(1500, 'y'))};
  bool finished = false;
  int counted = 0;
  for (uint64_t operation = 0; !finished; ++operation) {
    for (uint64_t seed = 1; seed <= 30; ++seed) {
      sim::SimDisk disk(seed);
      ASSERT_TRUE(disk.create_directories("/data").ok());
      ASSERT_TRUE(disk.sync_directory("/").ok());
      TestWorld test(disk);
      const Options options{.segment_bytes = 4096, .zero_ahead_bytes = 512};
      auto wal = Wal::create(test.world, options, kDir, "somedata");
      ASSERT_TRUE(wal.ok());
      ASSERT_TRUE((*wal)->save(state(1, 1, 3), before).ok());
      run_until_power_fails(disk, operation, [&] {
        ASSERT_TRUE((*wal)->save_received(snapshot(10, 2), state(2, 1, 12), behind).ok());
        finished = true;
      });
      wal->reset();
      disk.crash();

      const auto newest = newest_snapshot_entry(test.world, kDir);
      ASSERT_TRUE(newest.ok()) << newest.status();
      const auto opened = Wal::open_repairing(test.world, options, kDir, {newest->index, newest->term, {}});
      ASSERT_TRUE(opened.ok()) << "operation " << operation << " seed " << seed << ": " << opened.status();
      const Contents& contents = opened->contents;
      if (newest->index == Index(0)) {
        EXPECT_EQ(contents.entries.size(), before.size());
        EXPECT_LE(contents.hard_state.commit, Index(3));
        EXPECT_FALSE(finished);
        continue;
      }
      ++counted;
      EXPECT_EQ(newest->index, Index(10));
      EXPECT_LE(contents.entries.size(), behind.size());
      if (finished) EXPECT_EQ(contents.entries.size(), behind.size());
      EXPECT_LE(contents.hard_state.commit, newest->index + contents.entries.size());
    }
  }
  EXPECT_GT(counted, 30) << "not only the last operation makes it count";
}

// A process that is killed leaves the page cache behind: what it had named but not synced is there for the next one, and
// must not go, with what that one saves, when the power fails afterwards.
TEST(WalCrash, KilledAtEveryOperationThenPowerLoss) {
  for (uint64_t stop = 1; stop < 60; ++stop) {
    for (uint64_t seed = 0; seed < 10; ++seed) {
      sim::SimDisk disk(seed);
      TestWorld test(disk);
      const Options options{.segment_bytes = 4096};
      run_until_power_fails(disk, stop, [&] {
        auto wal = *Wal::create(test.world, options, "/wal", "m");
        for (uint64_t i = 1; i <= 12; ++i) {
          const raft::Entry e = entry(i, 1, std::string(900, 'a'));
          ASSERT_TRUE(wal->save(state(1, 1, i - 1), {&e, 1}).ok());
        }
      });
      disk.end_process();
      if (!exists(disk, "/wal")) continue;
      uint64_t last = 0;
      {
        const auto opened = Wal::open_repairing(test.world, options, "/wal", {});
        ASSERT_TRUE(opened.ok()) << "stop " << stop << " seed " << seed << ": " << opened.status();
        last = opened->contents.entries.size() + 1;
        const raft::Entry e = entry(last, 2, "after the kill");
        ASSERT_TRUE(opened->wal->save(state(2, 1, last - 1), {&e, 1}).ok());
      }
      disk.crash();
      const auto opened = Wal::open_repairing(test.world, options, "/wal", {});
      ASSERT_TRUE(opened.ok()) << "stop " << stop << " seed " << seed << ": " << opened.status();
      ASSERT_EQ(opened->contents.entries.size(), last) << "stop " << stop << " seed " << seed;
    }
  }
}

// The process ends at a failed sync; the machine, and with it the kernel's cache, goes on. What the next process finds
// there is no more than what was acknowledged, or it would build on bytes that are on no disk.
TEST(WalCrash, FailedSyncThenRestartThenPowerLoss) {
  for (uint64_t seed = 0; seed < 100; ++seed) {
    sim::SimDisk disk(seed);
    TestWorld test(disk);
    const Options options{.segment_bytes = 8192};
    Random random(seed);
    uint64_t acknowledged = 0;
    {
      auto wal = *Wal::create(test.world, options, "/wal", "m");
      const uint64_t failing = 1 + random.below(10);
      for (uint64_t i = 1; i <= failing; ++i) {
        if (i == failing) disk.set_faults({.sync_error_ppm = 1'000'000});
        const raft::Entry e = entry(i, 1, std::string(900, 'a'));
        if (!wal->save(state(1, 1, i - 1), {&e, 1}).ok()) break;
        acknowledged = i;
      }
    }
    disk.set_faults({});
    disk.end_process();
    uint64_t last = 0;
    {
      const auto opened = Wal::open_repairing(test.world, options, "/wal", {});
      ASSERT_TRUE(opened.ok()) << "seed " << seed << ": " << opened.status();
      last = opened->contents.entries.size();
      ASSERT_GE(last, acknowledged);
      const raft::Entry e = entry(++last, 2, "after the failure");
      ASSERT_TRUE(opened->wal->save(state(2, 1, last - 1), {&e, 1}).ok());
    }
    disk.crash();
    const auto opened = Wal::open_repairing(test.world, options, "/wal", {});
    ASSERT_TRUE(opened.ok()) << "seed " << seed << ": " << opened.status();
    ASSERT_EQ(opened->contents.entries.size(), last) << "seed " << seed;
  }
}

}  // namespace
}  // namespace holdfast::wal
