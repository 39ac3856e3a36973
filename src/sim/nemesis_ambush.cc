// Faults at the moments of an election at which they do the most harm (ambush.h).
#include <algorithm>
#include <iterator>
#include <string_view>
#include <utility>
#include <vector>

#include "sim/nemesis.h"

namespace holdfast::sim {

using std::chrono::milliseconds;
using std::chrono::seconds;

void Nemesis::lie_in_wait() {
  using enum Ambush::Moment;
  static constexpr std::pair<Ambush::Moment, std::string_view> kMoments[] = {
      {vote_given, "voters"}, {votes_asked, "candidates"}, {leader_elected, "leaders"}, {leader_elected, "leaders"}};
  const auto& [moment, whom] = kMoments[random_.below(std::size(kMoments))];
  note("ambush", whom);
  ambush_style_ = random_.below(5);
  ambush_time_ = a_while(seconds(10));
  ambush_.lie_in_wait(moment, scheduler_.now() + a_while(seconds(60)));
}

void Nemesis::strike_from_ambush(MemberId whom, Ambush::Moment moment) {
  const auto found = std::find_if(machines_.begin(), machines_.end(), [whom](const auto& m) { return m->id() == whom; });
  if (found == machines_.end() || (*found)->down()) return;
  Machine& machine = **found;
  if (moment == Ambush::Moment::votes_asked) return overthrow(machine);
  ++faults_;
  // Whoever forgets what it promised forgets it by starting again, soon enough to be asked again.
  if (moment == Ambush::Moment::vote_given || ambush_style_ == 0) {
    note("power cut from ambush", machine.name());
    machine.crash(Machine::Loss::power);
    return restart_later(machine, random_.chance(2, 3) ? env::Duration(milliseconds(100)) : seconds(10));
  }
  if (ambush_style_ == 1) return pause(machine, a_while(seconds(10)));
  isolate(machine, ambush_style_ == 2 ? a_while(seconds(10)) : ambush_time_);
}

// What a candidate wants of the others must not reach them before it is on its own disk. From now on the disk hangs: whoever
// leads all the same tells it only to some, forgets what is not saved, and is back before they look for another one.
void Nemesis::overthrow(Machine& machine) {
  Patient& p = patient(machine);
  if (p.disk != Disk::good) return;
  ++faults_;
  p.disk = Disk::hung;
  std::vector<Address> deaf;
  for (auto& other : machines_)
    if (other.get() != &machine && random_.chance(1, 2)) deaf.push_back(other->address());
  // Once they have been asked.
  const int64_t asked = knobs_.link.delay_max.count();
  later(env::Duration(random_.between(asked / 2, 2 * asked)), [this, from = machine.address(), deaf] {
    for (const Address& to : deaf) network_.block(from, to);
  });
  later(env::Duration(random_.between(2 * asked, 20 * asked)), [this, &machine, &p, deaf, start = machine.starts()] {
    for (const Address& to : deaf) network_.unblock(machine.address(), to);
    p.disk = Disk::good;
    if (machine.starts() != start || machine.down()) return;
    note("power cut of a candidate", machine.name());
    machine.crash(Machine::Loss::power);
    restart_later(machine, milliseconds(100));
  });
}

}  // namespace holdfast::sim
