// A log as a member writes it, life after life: terms that overwrite what is not committed, snapshots of its own (some noted
// late) and received ones (noted in Holdfast's order and in etcd's), purged segments, and ends of the process and of the
// power in the middle of a disk operation.
#pragma once

#include <algorithm>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/check.h"
#include "base/random.h"
#include "power_loss.h"
#include "sim/sim_disk.h"
#include "wal/snap_file.h"
#include "wal/wal.h"
#include "wal_fixture.h"

namespace holdfast::wal {

inline constexpr char kLogDir[] = "/data/wal";

class WrittenLog {
 public:
  explicit WrittenLog(uint64_t seed) : random_(seed), disk_(random_.next()), test_(disk_) {
    options_ = {.segment_bytes = uint64_t{4096} << random_.below(3), .zero_ahead_bytes = 512 * random_.below(3)};
    CHECK(disk_.create_directories("/data").ok() && disk_.sync_directory("/").ok());
    wal_ = *Wal::create(test_.world, options_, kLogDir, "somedata");
  }

  void live_and_end() {
    if (!wal_) wal_ = std::move(Wal::open_newest(test_.world, options_, kLogDir)->wal);
    const uint64_t operations = random_.chance(1, 4) ? 1'000'000 : random_.below(200);
    run_until_power_fails(disk_, operations, [this] {
      for (uint64_t n = random_.below(120); n > 0; --n) step();
    });
    wal_.reset();
    if (random_.chance(3, 4))
      disk_.crash();
    else
      disk_.end_process();
  }

  // With what its start found.
  void go_on(const SnapshotRecord& from, const Contents& found) {
    snapshot_ = from;
    entries_ = found.entries;
    commit_ = found.hard_state.commit.value;
    term_ = std::max(term_, found.hard_state.term.value) + 1;
    led_astray_ = received_.index.value > commit_;
    may_have_hole_ = false;
  }

  // An end of the power in etcd's way of noting a snapshot can leave entries behind one that doesn't count.
  bool may_have_hole() const { return may_have_hole_; }
  sim::SimDisk& disk() { return disk_; }
  const Options& options() const { return options_; }
  Index some_guess() { return Index(random_.below(last() + 50)); }
  size_t segments() { return newest_run(*list_segments(disk_, test_.logger, kLogDir)).size(); }

 private:
  uint64_t first() const { return snapshot_.index.value + 1; }
  uint64_t last() const { return snapshot_.index.value + entries_.size(); }

  void step() {
    if (random_.chance(1, 25)) return receive_snapshot();
    if (random_.chance(1, 12) && commit_ >= first()) return take_snapshot();
    save();
  }

  std::vector<raft::Entry> some_entries(uint64_t next) {
    std::vector<raft::Entry> made;
    for (uint64_t n = random_.below(6); n > 0; --n) {
      std::string data(random_.chance(1, 10) ? random_.below(3000) : random_.below(100), '\0');
      if (random_.chance(3, 4))
        for (char& c : data) c = static_cast<char>(random_.next());
      made.push_back(entry(next, next <= received_.index.value ? received_.term.value : term_, data));
      ++next;
    }
    return made;
  }

  void save() {
    if (random_.chance(1, 6)) ++term_;
    uint64_t next = last() + 1;
    if (random_.chance(1, 6)) next = commit_ + 1 + random_.below(last() - commit_ + 1);
    if (led_astray_) next = commit_ + 1;
    const std::vector<raft::Entry> made = some_entries(next);
    if (!made.empty()) {
      entries_.resize(next - first());
      led_astray_ = false;
    }
    entries_.insert(entries_.end(), made.begin(), made.end());
    if (!led_astray_ && random_.chance(1, 2)) commit_ += random_.below(last() - commit_ + 1);
    CHECK(wal_->save(state(term_, 1, commit_), made).ok());
  }

  // At an index that is committed, sometimes of long ago: another was received while it was under way.
  void take_snapshot() {
    const uint64_t index = first() + random_.below(commit_ - first() + 1);
    const SnapshotRecord taken = snapshot(index, entries_[index - first()].term.value);
    if (random_.chance(1, 5)) {
      receive_snapshot();
      CHECK(wal_->save_snapshot(taken).ok());
      return;
    }
    CHECK(wal_->save_snapshot(taken).ok());
    entries_.erase(entries_.begin(), entries_.begin() + static_cast<ptrdiff_t>(index - first() + 1));
    snapshot_ = taken;
    purge_behind();
  }

  void receive_snapshot() {
    ++term_;
    const uint64_t index = commit_ + 1 + random_.below(30);
    const SnapshotRecord received = snapshot(index, index <= received_.index.value ? received_.term.value : term_);
    if (received.index > received_.index) received_ = received;
    led_astray_ = false;
    std::vector<raft::Entry> behind = some_entries(received.index.value + 1);
    const uint64_t commit = received.index.value + random_.below(behind.size() + 1);
    if (random_.chance(1, 2)) {
      CHECK(wal_->save_received(received, state(term_, 1, commit), behind).ok());
    } else {  // etcd
      CHECK(wal_->save_snapshot(received).ok());
      may_have_hole_ = true;
      CHECK(wal_->save(state(term_, 1, commit), behind, Sync::always).ok());
      may_have_hole_ = false;
    }
    snapshot_ = received;
    entries_ = std::move(behind);
    commit_ = commit;
    purge_behind();
  }

  void purge_behind() {
    wal_->release_lock_to(snapshot_.index);
    const PurgeRule rule{.suffix = ".wal", .keep = 1 + random_.below(4), .locks = Locks::respected};
    if (random_.chance(1, 3)) (void)purge(disk_, test_.logger, kLogDir, rule);
  }

  Random random_;
  sim::SimDisk disk_;
  TestWorld test_;
  Options options_;
  std::unique_ptr<Wal> wal_;

  uint64_t term_ = 1;
  uint64_t commit_ = 0;
  SnapshotRecord snapshot_;           // the newest
  std::vector<raft::Entry> entries_;  // behind it
  // The furthest one that came. What it holds is committed in the cluster, so if the power failed before it counted, a leader
  // sends what is of its term up to its index, as a snapshot or as entries, in the place of what is not committed here.
  SnapshotRecord received_;
  bool may_have_hole_ = false;
  bool led_astray_ = false;  // by entries that are not committed, which a leader will replace
};

}  // namespace holdfast::wal
