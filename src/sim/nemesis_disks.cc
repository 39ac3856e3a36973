// The faults of disks: the log's, under SimDisk, and the backend's.
#include <algorithm>

#include "base/check.h"
#include "base/errors.h"
#include "sim/nemesis.h"
#include "wal/snap_file.h"

namespace holdfast::sim {

using std::chrono::seconds;

namespace {
constexpr uint64_t kSnapshotFileMax = 1 << 20;
}  // namespace

// A disk that lied until now has no more to forget: what a sync that fails loses was not promised to anybody.
void Nemesis::break_disk(Machine& machine, const DiskFaults& faults) {
  machine.disk().write_back();
  machine.disk().set_faults(faults);
}

void Nemesis::disk_errors() {
  Machine& machine = any_machine();
  note("disk errors", machine.name());
  DiskFaults faults;
  const uint32_t ppm = 1'000'000 >> random_.below(10);
  (random_.chance(1, 2) ? faults.write_error_ppm : faults.sync_error_ppm) = ppm;
  break_disk(machine, faults);
  patient(machine).excused = true;
  later(a_while(seconds(10)), [&machine] { machine.disk().set_faults({}); });
}

void Nemesis::disk_full() {
  Machine& machine = any_machine();
  note("disk full", machine.name());
  DiskFaults faults;
  faults.capacity_bytes = machine.disk().used_bytes() + random_.below(100'000);
  break_disk(machine, faults);
  patient(machine).excused = true;
  later(a_while(seconds(10)), [&machine] { machine.disk().set_faults({}); });
}

void Nemesis::slow_disk() {
  Machine& machine = any_machine();
  note("slow disk", machine.name());
  Patient& p = patient(machine);
  p.disk = random_.chance(1, 3) ? Disk::hung : Disk::slow;
  later(a_while(seconds(20)), [&p] { p.disk = Disk::good; });
}

void Nemesis::failing_commits() {
  Machine& machine = any_machine();
  note("backend commits fail", machine.name());
  patient(machine).excused = true;
  machine.fail_commits([] { return make_status(absl::StatusCode::kResourceExhausted, "commit: no space left"); });
  later(a_while(seconds(5)), [&machine] { machine.fail_commits(nullptr); });
}

void Nemesis::rot_later() {
  const env::Duration pause(static_cast<int64_t>(rot_random_.below(20'000'000'000)));
  later(pause, [this] {
    rot();
    rot_later();
  });
}

// One machine at a time: the others must be able to go on without it.
void Nemesis::rot() {
  const size_t i = rot_random_.below(machines_.size());
  Machine& machine = *machines_[i];
  for (size_t other = 0; other < machines_.size(); ++other)
    if (patients_[other].rot.damaged() && machines_[other]->down()) return;
  if (patients_[i].rot.damaged() || machine.down()) return;
  ++faults_;
  machine.crash(Machine::Loss::process);
  machine.disk().set_faults({});
  if (rot_random_.chance(1, 4)) {
    rot_snapshot(machine, patients_[i].rot);
  } else {
    note("a bit of the log flips", machine.name());
    (void)patients_[i].rot.damage(machine.disk(), "/data/member/wal");
  }
  restart_later(machine);
}

// A member starts from its backend, and reads no snapshot file: it must do without the damaged one. Whoever does read them
// (holdfastutl, etcd) must see the damage, put the file aside and take the one before.
void Nemesis::rot_snapshot(Machine& machine, BitRot& rot) {
  std::vector<std::string> files = machine.disk().files_under(machine.snap_dir());
  std::erase_if(files, [](const std::string& path) { return !path.ends_with(".snap"); });
  if (files.empty()) return;
  const auto before = env::read_file(machine.disk(), files.back(), kSnapshotFileMax);
  // One that is damaged already might be mended by it.
  if (!before.ok() || !wal::decode_snapshot_file(*before).ok() || !rot.damage_file(machine.disk(), files.back())) return;
  rot.forget();
  // Behind a page that the system holds in memory nobody sees it.
  const auto after = env::read_file(machine.disk(), files.back(), kSnapshotFileMax);
  if (after.ok() && *before == *after) return;
  note("a bit of a snapshot file flips", machine.name());
  const std::unique_ptr<SimDisk> copy = machine.disk().clone(0);
  env::NullMetrics metrics;
  env::NoFaults faults;
  wal::Snapshotter snapshotter({*copy, machine.clock(), log_, metrics, faults}, machine.snap_dir());
  const auto loaded = snapshotter.load();
  CHECK(copy->exists(files.back() + ".broken").value_or(false), "{} is damaged, and was not put aside", files.back());
  // What a power cut left half-written is no better.
  files.pop_back();
  const auto good = std::find_if(files.rbegin(), files.rend(), [&](const std::string& path) {
    const auto bytes = env::read_file(machine.disk(), path, kSnapshotFileMax);
    return bytes.ok() && wal::decode_snapshot_file(*bytes).ok();
  });
  CHECK(loaded.ok() == (good != files.rend()), "an older snapshot: {}", loaded.ok());
  if (!loaded.ok()) return;
  CHECK(good->ends_with(wal::snapshot_file_name(loaded->metadata.term, loaded->metadata.index)), "not {}", *good);
}

}  // namespace holdfast::sim
