// Whoever dials a machine on which no process listens any more is refused at once, and tells its member so
// (peer/stream_reader): the leader need not be waited for (server/leader_loss). A machine without power answers nobody.
#pragma once

#include <memory>
#include <vector>

#include "sim/machine.h"
#include "sim/network.h"

namespace holdfast::sim {

// The process on `gone` has just ended: every other machine's process dials it within a while, unless the way is blocked. The
// news may be late, and find the machine running again.
void refuse_dials(SimScheduler& scheduler, SimNetwork& network, Machine& gone,
                  const std::vector<std::unique_ptr<Machine>>& machines);

}  // namespace holdfast::sim
