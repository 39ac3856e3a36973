#include "raft/inflights.h"

#include <algorithm>

#include "base/check.h"

namespace holdfast::raft {

void Inflights::add(Index last, uint64_t bytes) {
  CHECK(!full(), "cannot add into a Full inflights");
  if (count_ == ring_.size()) grow();
  ring_[(start_ + count_) % ring_.size()] = Inflight{last, bytes};
  ++count_;
  bytes_ += bytes;
}

void Inflights::grow() {
  const size_t size = std::min(std::max<size_t>(ring_.size() * 2, 1), max_messages_);
  std::vector<Inflight> ring(size);
  for (size_t i = 0; i < count_; ++i) ring[i] = ring_[(start_ + i) % ring_.size()];
  ring_ = std::move(ring);
  start_ = 0;
}

void Inflights::free_up_to(Index index) {
  while (count_ > 0 && ring_[start_].last <= index) {
    bytes_ -= ring_[start_].bytes;
    start_ = (start_ + 1) % ring_.size();
    --count_;
  }
}

void Inflights::reset() {
  start_ = 0;
  count_ = 0;
  bytes_ = 0;
}

}  // namespace holdfast::raft
