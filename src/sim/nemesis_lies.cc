// A disk that answers OK to every sync and keeps nothing of it when the power fails. At most one of a run, and it forgets
// only what a majority of the others knows (redundancy.h): that much raft survives. What the member that comes back must not
// do is go on as if nothing was missing. It refuses to start, because its log is damaged or ends before its database; or raft
// finds that the leader counts on more than is there, as etcd's does, and ends it; or, if another leader probes its log
// anew, it is brought up to date. One that has ended is replaced, which here means that the others go on without it.
#include "sim/nemesis.h"
#include "sim/redundancy.h"

namespace holdfast::sim {

using std::chrono::milliseconds;
using std::chrono::seconds;

namespace {
// How long a disk lies at most, if no moment comes at which it may forget.
constexpr env::Duration kLieMax = seconds(15);
constexpr env::Duration kLook = milliseconds(20);
}  // namespace

void Nemesis::lie_later() {
  later(env::Duration(static_cast<int64_t>(lie_random_.below(10'000'000'000))), [this] { lie(); });
}

void Nemesis::lie() {
  Machine& machine = *machines_[lie_random_.below(machines_.size())];
  const std::optional<Term> term = settled_term(machine);
  if (!term) return lie_later();
  ++faults_;
  note("syncs are lost", machine.name());
  DiskFaults faults;
  faults.lost_sync_ppm = lie_random_.chance(2, 3) ? 1'000'000 : 500'000;
  machine.disk().set_faults(faults);
  const env::Instant now = scheduler_.now();
  forget(machine, {machine.starts(), *term, now + env::Duration(lie_random_.between(0, kLieMax.count() / 2)), now + kLieMax});
}

void Nemesis::forget(Machine& machine, Lie lie) {
  later(kLook, [this, &machine, lie] {
    const auto& [start, term, earliest, latest] = lie;
    const env::Instant now = scheduler_.now();
    if (machine.starts() != start || machine.down()) return lie_later();
    if (now >= latest) {
      machine.disk().set_faults({});
      machine.disk().write_back();
      return lie_later();
    }
    if (now < earliest || settled_term(machine) != term || !others_have_all_of(machine, machines_))
      return forget(machine, lie);
    note("power cut; what was synced is lost", machine.name());
    patient(machine).forgot = true;
    machine.crash(Machine::Loss::cache);
    restart_later(machine, seconds(3));
  });
}

bool Nemesis::noticed_loss(Machine& machine, std::string_view message) {
  if (!patient(machine).forgot) return false;
  return message.starts_with("does not start: ") ||
         message.find("Was the raft log corrupted, truncated, or lost?") != std::string_view::npos;
}

void Nemesis::replace(Machine& machine) {
  log_.warn("a member that lost what it had synced is given up", {{"member", machine.name()}});
  machine.leave();
}

}  // namespace holdfast::sim
