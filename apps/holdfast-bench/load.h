// Runs a load against a server and counts. Blocks until it is over.
#pragma once

#include <cstdint>
#include <map>
#include <string>

#include "apps/holdfast-bench/latencies.h"
#include "apps/holdfast-bench/options.h"
#include "env/clock.h"

namespace holdfast::bench {

struct Outcome {
  uint64_t calls = 0;     // answered well, of those that count (Options::warm_up)
  uint64_t failures = 0;  // of all
  env::Duration took{0};  // in which `calls` were made
  Latencies latencies;
  std::map<std::string, uint64_t> errors;  // by status; no more than kErrorsKept different ones
  static constexpr size_t kErrorsKept = 10;

  void add(const Outcome& other);
  double rate() const {
    return took.count() == 0 ? 0 : static_cast<double>(calls) * 1e9 / static_cast<double>(took.count());
  }
};

// Not for Operation::sync. Ends early when nothing but failures comes back.
Outcome run_load(const Options& options, const env::Clock& clock);

}  // namespace holdfast::bench
