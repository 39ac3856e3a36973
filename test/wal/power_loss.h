// Ends of the power in the middle of what a test does to a disk.
#pragma once

#include <cstdint>

#include "absl/status/status.h"
#include "sim/sim_disk.h"

namespace holdfast::wal {

// Runs `body`, whose disk operation after the first `operations` never happens, nor does anything after it. The disk still has
// power: crash() or end_process() says what became of it.
template <class Body>
void run_until_power_fails(sim::SimDisk& disk, uint64_t operations, Body body) {
  struct PowerLoss {};
  // The disk asks a copy of the hook, which must not count for itself.
  uint64_t left = operations;
  disk.set_hook([&left](const sim::DiskOperation&) {
    if (left == 0) throw PowerLoss();
    --left;
    return absl::OkStatus();
  });
  try {
    body();
  } catch (const PowerLoss&) {
  }
  disk.set_hook({});
}

}  // namespace holdfast::wal
