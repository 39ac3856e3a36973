#include "apps/holdfast-bench/latencies.h"

#include <algorithm>
#include <bit>
#include <cmath>

namespace holdfast::bench {

// Values below kParts have a slot each; above, kParts slots a power of two.
Latencies::Latencies() : counts_((64 - 6 + 1) * kParts) {}

size_t Latencies::slot_of(uint64_t nanoseconds) {
  if (nanoseconds < kParts) return nanoseconds;
  const auto shift = static_cast<uint64_t>(std::bit_width(nanoseconds / kParts)) - 1;
  return (shift + 1) * kParts + (nanoseconds >> shift) - kParts;
}

uint64_t Latencies::upper_end_of(size_t slot) {
  if (slot < kParts) return slot;
  const uint64_t shift = slot / kParts - 1;
  return ((kParts + slot % kParts + 1) << shift) - 1;
}

void Latencies::add(env::Duration duration) {
  const auto nanoseconds = static_cast<uint64_t>(std::max<int64_t>(duration.count(), 0));
  ++counts_[slot_of(nanoseconds)];
  ++count_;
  max_ = std::max(max_, nanoseconds);
  sum_ += static_cast<double>(nanoseconds);
}

void Latencies::add(const Latencies& others) {
  for (size_t i = 0; i < counts_.size(); ++i) counts_[i] += others.counts_[i];
  count_ += others.count_;
  max_ = std::max(max_, others.max_);
  sum_ += others.sum_;
}

env::Duration Latencies::mean() const {
  return count_ == 0 ? env::Duration(0) : env::Duration(std::llround(sum_ / static_cast<double>(count_)));
}

env::Duration Latencies::quantile(double share) const {
  if (count_ == 0) return env::Duration(0);
  const auto wanted =
      std::clamp<uint64_t>(static_cast<uint64_t>(std::ceil(share * static_cast<double>(count_))), 1, count_);
  uint64_t seen = 0;
  for (size_t slot = 0; slot < counts_.size(); ++slot) {
    seen += counts_[slot];
    if (seen >= wanted)
      return env::Duration(static_cast<int64_t>(std::min(upper_end_of(slot), max_)));
  }
  return max();
}

}  // namespace holdfast::bench
