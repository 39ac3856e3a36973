// One run of clients with leases: as simulate(), but what is judged is that no lease ends early, whoever leads and whatever
// fails meanwhile (parity LEA-08, LEA-13, TRP-25, TRP-27), and that all of them end once everything is well. Clocks are
// good: a lease is a promise about time.
#pragma once

#include "sim/simulation.h"

namespace holdfast::sim {

SimReport simulate_leases(const SimOptions& options);

}  // namespace holdfast::sim
