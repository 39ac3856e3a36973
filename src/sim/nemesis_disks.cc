// The faults of disks: the log's, under SimDisk, and the backend's.
#include "base/errors.h"
#include "sim/nemesis.h"

namespace holdfast::sim {

using std::chrono::seconds;

void Nemesis::disk_errors() {
  Machine& machine = any_machine();
  note("disk errors", machine.name());
  DiskFaults faults;
  const uint32_t ppm = 1'000'000 >> random_.below(10);
  (random_.chance(1, 2) ? faults.write_error_ppm : faults.sync_error_ppm) = ppm;
  machine.disk().set_faults(faults);
  patient(machine).excused = true;
  later(a_while(seconds(10)), [&machine] { machine.disk().set_faults({}); });
}

void Nemesis::disk_full() {
  Machine& machine = any_machine();
  note("disk full", machine.name());
  DiskFaults faults;
  faults.capacity_bytes = machine.disk().used_bytes() + random_.below(100'000);
  machine.disk().set_faults(faults);
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
  note("a bit of the log flips", machine.name());
  machine.crash(Machine::Loss::process);
  machine.disk().set_faults({});
  (void)patients_[i].rot.damage(machine.disk(), "/data/member/wal");
  restart_later(machine);
}

}  // namespace holdfast::sim
