#include "sim/nemesis.h"

#include <algorithm>
#include <span>
#include <utility>

#include "fmt/format.h"

namespace holdfast::sim {

namespace {

using std::chrono::microseconds;
using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr uint32_t kMillion = 1'000'000;

// A disk as it should be: an fsync takes up to two milliseconds, all else next to nothing.
constexpr int64_t kSyncMax = 2'000'000;
constexpr int64_t kOtherMax = 20'000;
constexpr int kSlowFactor = 50;
// Of one operation of a disk that hangs.
constexpr int64_t kHangMax = 3'000'000'000;

}  // namespace

Nemesis::Nemesis(SimScheduler& scheduler, SimNetwork& network, std::vector<std::unique_ptr<Machine>>& machines,
                 const Knobs& knobs, Logger& log)
    : scheduler_(scheduler),
      network_(network),
      machines_(machines),
      knobs_(knobs),
      log_(log),
      random_(scheduler.random().fork()),
      rot_random_(Random(random_).next() ^ 0x726f74),  // of its own: runs without it stay as they are
      lie_random_(Random(random_).next() ^ 0x6c6965),
      patients_(machines.size()),
      ambush_(scheduler, random_.fork(), 8 * knobs.link.delay_max,
              [this](MemberId whom, Ambush::Moment moment) { strike_from_ambush(whom, moment); }) {
  network_.on_send([this](const raft::Message& message) { ambush_.saw(message); });
  for (size_t i = 0; i < machines_.size(); ++i) {
    patients_[i].latency = random_.fork();
    patients_[i].rot = BitRot(rot_random_.next());
    machines_[i]->disk().set_latency(
        [this, &p = patients_[i]](const DiskOperation& operation) { return latency(p, operation); });
  }
}

void Nemesis::start() {
  static constexpr Fault kProcess[] = {&Nemesis::power_cut, &Nemesis::power_cut_at_operation, &Nemesis::kill,
                                       &Nemesis::stop, &Nemesis::kill_all, &Nemesis::pause,
                                       &Nemesis::pause_leader};
  static constexpr Fault kNetwork[] = {&Nemesis::partition, &Nemesis::isolate, &Nemesis::one_way, &Nemesis::bad_link,
                                       &Nemesis::bad_network};
  static constexpr Fault kAmbush[] = {&Nemesis::lie_in_wait};
  static constexpr Fault kClock[] = {&Nemesis::clock_rate, &Nemesis::clock_jump};
  static constexpr Fault kDisk[] = {&Nemesis::disk_errors, &Nemesis::disk_full, &Nemesis::slow_disk,
                                    &Nemesis::failing_commits};
  // A run that does a few things often finds what one that does everything seldom does not.
  const auto choose = [this](std::span<const Fault> kinds, uint64_t of_four) {
    if (!random_.chance(of_four, 4)) return;
    for (const Fault kind : kinds)
      if (random_.chance(2, 3)) chosen_.push_back(kind);
  };
  choose(kProcess, 3);
  choose(kNetwork, 3);
  choose(kAmbush, 3);
  if (knobs_.clock_faults) choose(kClock, 2);
  choose(kDisk, 2);
  if (machines_.size() > 2 && random_.chance(1, 3)) chosen_.push_back(&Nemesis::leave_behind);
  if (!chosen_.empty()) later(a_while(knobs_.between_faults), [this] { strike(); });
  if (rot_random_.chance(1, 4)) rot_later();
  if (machines_.size() > 2 && knobs_.between_changes.count() == 0 && lie_random_.chance(1, 3)) lie_later();
}

void Nemesis::later(env::Duration delay, Task task) {
  scheduler_.after(delay, [this, task = std::make_unique<Task>(std::move(task))] {
    if (!over_) (*task)();
  });
}

env::Duration Nemesis::a_while(env::Duration max) {
  // Short ones as often as long ones.
  const auto bound = static_cast<uint64_t>(max.count()) >> random_.below(8);
  return env::Duration(static_cast<int64_t>(random_.below(bound + 1)));
}

void Nemesis::strike() {
  ++faults_;
  (this->*chosen_[random_.below(chosen_.size())])();
  later(a_while(2 * knobs_.between_faults), [this] { strike(); });
}

void Nemesis::note(std::string_view what, std::string_view whom) {
  log_.warn(what, {{"whom", whom}});
  scheduler_.note(faults_ << 8 ^ whom.size() ^ what.size() << 16);
}

Machine* Nemesis::leader() {
  for (auto& machine : machines_) {
    if (!machine->serving() || machine->member().info().leader() != machine->id()) continue;
    return machine.get();
  }
  return nullptr;
}

Machine& Nemesis::any_machine() {
  Machine* const chosen = random_.chance(1, 2) ? leader() : nullptr;
  if (chosen != nullptr) return *chosen;
  std::vector<Machine*> members;
  for (auto& machine : machines_)
    if (machine->in_cluster()) members.push_back(machine.get());
  return *members[random_.below(members.size())];
}

Nemesis::Patient& Nemesis::patient(const Machine& machine) {
  for (size_t i = 0; i < machines_.size(); ++i)
    if (machines_[i].get() == &machine) return patients_[i];
  return patients_.front();
}

bool Nemesis::excuses(Machine& machine, std::string_view message) {
  if (BitRot& rot = patient(machine).rot; rot.named_in(message)) {
    machine.disk().set_faults({});
    rot.mend(machine.disk());
    restart_later(machine);
    return true;
  }
  if (noticed_loss(machine, message)) {
    replace(machine);
    return true;
  }
  if (!patient(machine).excused && !machine.died_joining()) return false;
  restart_later(machine);
  return true;
}

void Nemesis::start_machine(Machine& machine) {
  // Whoever starts it has looked at the disk before.
  machine.disk().set_faults({});
  machine.fail_commits(nullptr);
  patient(machine).excused = false;
  machine.start();
}

void Nemesis::restart_later(Machine& machine, env::Duration max) {
  const env::Duration soon = milliseconds(10);
  scheduler_.after(over_ ? soon : soon + a_while(max), [this, &machine] {
    if (machine.down() && machine.in_cluster()) start_machine(machine);
  });
}

env::Duration Nemesis::latency(Patient& p, const DiskOperation& operation) {
  const bool sync = operation.action == DiskAction::sync || operation.action == DiskAction::sync_directory;
  int64_t took = p.latency.between(1'000, sync ? kSyncMax : kOtherMax);
  if (p.disk == Disk::slow) took *= kSlowFactor;
  if (p.disk == Disk::hung && sync) took = p.latency.between(0, kHangMax);
  return env::Duration(took);
}

// --- processes ---

void Nemesis::power_cut() {
  Machine& machine = any_machine();
  if (machine.down()) return;
  note("power cut", machine.name());
  machine.crash(Machine::Loss::power);
  restart_later(machine);
}

void Nemesis::power_cut_at_operation() {
  Machine& machine = any_machine();
  if (machine.down()) return;
  note("power cut at a disk operation", machine.name());
  patient(machine).excused = true;
  machine.crash_at_disk_operation(1 + random_.below(40));
}

void Nemesis::kill() {
  Machine& machine = any_machine();
  if (machine.down()) return;
  note("kill", machine.name());
  machine.crash(Machine::Loss::process);
  restart_later(machine);
}

void Nemesis::stop() {
  Machine& machine = any_machine();
  if (!machine.serving()) return;
  note("stop", machine.name());
  machine.stop();
  // It may hang on its disk; then it is killed.
  later(seconds(5), [this, &machine, start = machine.starts()] {
    if (machine.starts() == start) machine.crash(Machine::Loss::process);
    restart_later(machine);
  });
}

void Nemesis::kill_all() {
  if (!random_.chance(1, 4)) return kill();
  note("power cut everywhere", "all");
  for (auto& machine : machines_) {
    machine->crash(Machine::Loss::power);
    restart_later(*machine);
  }
}

void Nemesis::pause() { pause(any_machine(), a_while(seconds(10))); }

// Long enough for somebody else to lead, and for leases to end as far as the old leader knows.
void Nemesis::pause_leader() {
  if (Machine* const machine = leader()) pause(*machine, milliseconds(random_.between(1'000, 15'000)));
}

void Nemesis::pause(Machine& machine, env::Duration time) {
  if (machine.down() || machine.process()->paused()) return;
  note("pause", machine.name());
  machine.process()->pause();
  later(time, [&machine, start = machine.starts()] {
    if (machine.starts() == start && !machine.down()) machine.process()->resume();
  });
}

// --- network ---

void Nemesis::partition() {
  note("partition", "some");
  std::vector<std::pair<Address, Address>> cut;
  const uint64_t sides = random_.next();
  for (size_t a = 0; a < machines_.size(); ++a)
    for (size_t b = 0; b < machines_.size(); ++b)
      if ((sides >> a & 1) != (sides >> b & 1)) cut.emplace_back(machines_[a]->address(), machines_[b]->address());
  for (const auto& [from, to] : cut) network_.block(from, to);
  later(a_while(seconds(20)), [this, cut = std::move(cut)] {
    for (const auto& [from, to] : cut) network_.unblock(from, to);
  });
}

void Nemesis::isolate() { isolate(any_machine(), a_while(seconds(20))); }

void Nemesis::isolate(Machine& machine, env::Duration time) {
  note("isolate", machine.name());
  for (auto& other : machines_) {
    network_.block(machine.address(), other->address());
    network_.block(other->address(), machine.address());
  }
  later(time, [this, &machine] {
    for (auto& other : machines_) {
      network_.unblock(machine.address(), other->address());
      network_.unblock(other->address(), machine.address());
    }
  });
}

// Whoever comes back finds that the others have let go of the log: each was restarted, and begins at its last snapshot.
void Nemesis::leave_behind() {
  Machine& machine = any_machine();
  isolate(machine, milliseconds(random_.between(3'000, 20'000)));
  for (auto& other : machines_) {
    if (other.get() == &machine) continue;
    later(milliseconds(random_.between(2'000, 15'000)), [this, &other = *other] {
      if (other.down()) return;
      note("kill", other.name());
      other.crash(Machine::Loss::process);
      later(milliseconds(10), [this, &other] {
        if (other.down() && other.in_cluster()) start_machine(other);
      });
    });
  }
}

void Nemesis::one_way() {
  const Address from = any_machine().address();
  const Address to = any_machine().address();
  note("one way blocked", fmt::format("{} to {}", from.value, to.value));
  network_.block(from, to);
  later(a_while(seconds(20)), [this, from, to] { network_.unblock(from, to); });
}

void Nemesis::bad_link() {
  const Address from = any_machine().address();
  const Address to = any_machine().address();
  note("bad link", fmt::format("{} to {}", from.value, to.value));
  LinkQuality quality = knobs_.link;
  quality.loss_ppm = static_cast<uint32_t>(random_.below(300'000));
  quality.slow_ppm = static_cast<uint32_t>(random_.below(300'000));
  quality.slow_max = milliseconds(random_.between(1, 5'000));
  if (random_.chance(1, 2)) quality.bytes_per_second = 1'000 << random_.below(10);
  if (random_.chance(1, 2)) quality.snapshot_bytes_per_second = 4'000 << random_.below(10);
  network_.set_quality(from, to, quality);
  later(a_while(seconds(30)), [this, from, to] { network_.set_quality(from, to, knobs_.link); });
}

void Nemesis::bad_network() {
  note("bad network", "all");
  LinkQuality quality = knobs_.link;
  quality.loss_ppm = static_cast<uint32_t>(random_.below(200'000));
  quality.duplicate_ppm = static_cast<uint32_t>(random_.below(200'000));
  quality.reorder_ppm = static_cast<uint32_t>(random_.below(200'000));
  quality.slow_max = milliseconds(random_.between(1, 2'000));
  if (random_.chance(1, 3)) quality.snapshot_bytes_per_second = 4'000 << random_.below(10);
  network_.set_quality(quality);
  later(a_while(seconds(30)), [this] { network_.set_quality(knobs_.link); });
}

// --- clocks ---

void Nemesis::clock_rate() {
  Machine& machine = any_machine();
  note("clock at another rate", machine.name());
  machine.clock().set_rate(random_.between(kMillion / 2, 2 * kMillion));
}

void Nemesis::clock_jump() {
  Machine& machine = any_machine();
  note("clock jumps", machine.name());
  if (random_.chance(1, 2)) {
    clocks_jumped_ = true;
    machine.clock().jump(a_while(seconds(30)));
  } else {
    machine.clock().jump_wall(env::Duration(random_.between(-3'600'000'000'000, 3'600'000'000'000)));
  }
}

void Nemesis::heal() {
  over_ = true;
  ambush_.call_off();
  network_.heal();
  network_.set_quality(knobs_.link);
  for (size_t i = 0; i < machines_.size(); ++i) {
    Machine& machine = *machines_[i];
    machine.disk().set_faults({});
    machine.disk().set_hook(nullptr);
    machine.fail_commits(nullptr);
    machine.clock().set_rate(kMillion);
    patients_[i].disk = Disk::good;
    if (machine.stopping()) machine.crash(Machine::Loss::process);
    if (!machine.in_cluster()) continue;
    if (machine.down()) {
      start_machine(machine);
    } else if (machine.process()->paused()) {
      machine.process()->resume();
    }
  }
}

}  // namespace holdfast::sim
