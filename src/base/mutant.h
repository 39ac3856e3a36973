// Real bugs, planted where they could really be, to show that the simulator finds their like (tools/mutants).
//
//   if (MUTANT("wal.ack_before_sync")) return absl::OkStatus();
//
// A constant false unless built with HOLDFAST_MUTANTS, which no product is. Then the environment variable HOLDFAST_MUTANT
// names the one that lives.
#pragma once

#ifdef HOLDFAST_MUTANTS
#include <cstdlib>
#include <string_view>

namespace holdfast {
inline bool mutant_lives(std::string_view name) {
  static const char* const chosen = std::getenv("HOLDFAST_MUTANT");
  return chosen != nullptr && name == chosen;
}
}  // namespace holdfast
#define MUTANT(name) ::holdfast::mutant_lives(name)
#else
#define MUTANT(name) false
#endif
