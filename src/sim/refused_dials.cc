#include "sim/refused_dials.h"

namespace holdfast::sim {

namespace {
constexpr uint64_t kRefusalBytes = 60;
// peer's: between two attempts.
constexpr int64_t kDialIntervalMax = 100'000'000;
}  // namespace

void refuse_dials(SimScheduler& scheduler, SimNetwork& network, Machine& gone,
                  const std::vector<std::unique_ptr<Machine>>& machines) {
  const MemberId id = gone.id();
  for (const auto& machine : machines) {
    if (machine.get() == &gone || !machine->serving()) continue;
    const env::Duration dial(scheduler.random().between(0, kDialIntervalMax));
    scheduler.after(dial, [&network, &gone, id, last = gone.starts(), &other = *machine, start = machine->starts(), &scheduler] {
      if (!gone.down() || gone.starts() != last || network.blocked(other.address(), gone.address())) return;
      network.carry(gone.address(), other.address(), kRefusalBytes, scheduler.now(),
                    [id, &other, start] {
                      if (other.starts() == start && other.serving()) other.member().report_gone(id);
                    },
                    [] {});
    });
  }
}

}  // namespace holdfast::sim
