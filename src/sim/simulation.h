// One run: a whole cluster in one thread from one seed. Members found a cluster, clients work and the nemesis breaks things
// for a while; then everything heals, and the cluster must serve through every member and agree within a bound; then all
// that clients saw is judged. Same seed and options: same run, bit for bit.
#pragma once

#include <cstdint>
#include <string>

#include "env/clock.h"

namespace holdfast::sim {

struct SimOptions {
  uint64_t seed = 1;
  int members = 0;            // 0: from the seed, 1 to 7
  env::Duration chaos{0};     // the phase with faults; 0: from the seed
  env::Duration until{INT64_MAX};  // virtual time to end at, whatever the phase; nothing is judged then
  bool trace = false;         // what happens, on stderr
};

struct SimReport {
  uint64_t seed = 0;
  int members = 0;
  env::Duration virtual_time{0};
  uint64_t events = 0;
  uint64_t operations = 0;
  uint64_t acknowledged = 0;
  uint64_t unknown = 0;
  uint64_t faults = 0;
  uint64_t snapshots_sent = 0;       // from member to member
  uint64_t snapshots_installed = 0;
  uint64_t joined = 0;  // members that came, and that were removed and wiped
  uint64_t left = 0;
  uint64_t digest = 0;
  bool undecided = false;  // the search for an order was given up
  std::string violation;   // empty: none
};

SimReport simulate(const SimOptions& options);

// One line.
std::string describe(const SimReport& report);

}  // namespace holdfast::sim
