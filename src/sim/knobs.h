// What differs from run to run: the size of the cluster, each setting of its members that code paths depend on, and how
// clients behave. All from the seed.
#pragma once

#include <cstdint>
#include <string>

#include "base/random.h"
#include "env/clock.h"
#include "server/member_config.h"
#include "sim/machine.h"
#include "sim/network.h"

namespace holdfast::sim {

struct ClientKnobs {
  int clients = 4;
  bool keeps_a_key = false;       // one that is put first of all and never deleted
  bool monitors = false;          // beside them, one for each machine that reads from it all the time
  int keys = 10;
  env::Duration think_min{0};     // between an answer and the next operation
  env::Duration think_max{0};
  env::Duration timeout_min = std::chrono::milliseconds(500);
  env::Duration timeout_max = std::chrono::seconds(9);
  // Shares of operations, of their sum.
  uint32_t puts = 30, ranges = 25, deletes = 8, txns = 25, compactions = 1, leases = 2;
  size_t value_bytes_max = 64;
  uint32_t big_value_ppm = 0;      // of puts
  size_t big_value_bytes = 100'000;
  uint32_t lost_request_ppm = 0;   // between client and member
  uint32_t lost_answer_ppm = 0;
  // Now and then nobody asks for anything.
  env::Duration rest_max{0};
};

struct Knobs {
  int members = 3;              // that found the cluster
  int machines = 3;             // they, and those that may join
  int members_max = 3;
  env::Duration between_changes{0};  // of membership, on average; 0: none
  bool learners_stay = false;   // nobody joins as a voter or becomes one
  server::MemberConfig config;  // what all members share; name and data_dir are per member
  Wiring wiring = Wiring::five_executors;
  LinkQuality link;
  env::Duration chaos{0};       // length of the phase with faults
  env::Duration between_faults{0};  // on average
  ClientKnobs clients;
  size_t snapshot_piece_bytes = 65'536;  // of a snapshot on its way
  bool refused_dials = false;   // members hear of processes that have ended
  bool clock_faults = true;     // clocks that jump or run at another rate
};

// `members` and `chaos`: 0 = from the seed.
Knobs draw_knobs(Random& random, int members, env::Duration chaos);

// The member's own: name, directories, addresses, and the whole cluster's.
server::MemberConfig config_of(const Knobs& knobs, int machine);

}  // namespace holdfast::sim
