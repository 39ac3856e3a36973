// Randomness for what need not be secret (election timeouts, jitter, generated ids). Production seeds it from the
// kernel, simulation from the run's seed. Thread-safe.
#pragma once

#include <cstdint>

namespace holdfast::env {

class RandomSource {
 public:
  virtual ~RandomSource() = default;
  virtual uint64_t next() = 0;
};

}  // namespace holdfast::env
