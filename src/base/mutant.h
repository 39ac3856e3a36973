// Real bugs, planted where they could really be, to show that the simulator finds their like (tools/mutants).
//
//   if (mutant("wal.ack_before_sync")) return absl::OkStatus();
//
// A constant false unless built with HOLDFAST_MUTANTS, which no product is. Then the environment variable HOLDFAST_MUTANT
// names the one that lives.
#pragma once

#include <string_view>

#ifdef HOLDFAST_MUTANTS
#include <cstdlib>
#endif

namespace holdfast {

#ifdef HOLDFAST_MUTANTS
inline bool mutant(std::string_view name) {
  static const char* const chosen = std::getenv("HOLDFAST_MUTANT");
  return chosen != nullptr && name == chosen;
}
#else
constexpr bool mutant(std::string_view) { return false; }
#endif

}  // namespace holdfast
