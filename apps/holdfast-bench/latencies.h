// Times of many calls in little memory: counters by size, a percent apart. Pure; not thread-safe.
#pragma once

#include <cstdint>
#include <vector>

#include "env/clock.h"

namespace holdfast::bench {

class Latencies {
 public:
  Latencies();

  void add(env::Duration duration);
  void add(const Latencies& others);

  uint64_t count() const { return count_; }
  env::Duration mean() const;
  env::Duration max() const { return env::Duration(static_cast<int64_t>(max_)); }
  // The time that `share` (0 to 1) of the calls did not exceed, within 1 %; zero without calls.
  env::Duration quantile(double share) const;

 private:
  // Powers of two of nanoseconds, each cut into so many equal parts.
  static constexpr uint64_t kParts = 64;
  static size_t slot_of(uint64_t nanoseconds);
  static uint64_t upper_end_of(size_t slot);

  std::vector<uint64_t> counts_;
  uint64_t count_ = 0;
  uint64_t max_ = 0;
  double sum_ = 0;
};

}  // namespace holdfast::bench
