// A small deterministic generator (xoshiro256**, seeded through splitmix64). Same seed, same sequence, on every
// platform: simulation depends on it. Not for secrets. Not thread-safe.
#pragma once

#include <cstdint>

namespace holdfast {

class Random {
 public:
  explicit Random(uint64_t seed);

  uint64_t next();
  // Uniform in [0, bound). bound > 0.
  uint64_t below(uint64_t bound);
  // Uniform in [low, high].
  int64_t between(int64_t low, int64_t high);
  // True with probability numerator / denominator.
  bool chance(uint64_t numerator, uint64_t denominator) { return below(denominator) < numerator; }
  // A generator whose sequence is independent of this one's further use.
  Random fork() { return Random(next()); }

 private:
  uint64_t state_[4];
};

}  // namespace holdfast
