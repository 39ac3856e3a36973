// Tells when all readers that entered before a moment have left. Compaction makes its revision
// known, turns the gate, and begins to delete when the readers of the old side are gone: readers of
// the new side know better than to read what goes.
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>

namespace holdfast::mvcc {

class ReaderGate {
 public:
  // Any thread. What the reader loads after enter() is at least as new as what was stored before
  // the last turn().
  unsigned enter() {
    const unsigned stripe = stripe_of_thread();
    while (true) {
      const unsigned side = turns_.load(std::memory_order_seq_cst) & 1;
      std::atomic<int64_t>& inside = stripes_[stripe].inside[side];
      inside.fetch_add(1, std::memory_order_seq_cst);
      if ((turns_.load(std::memory_order_seq_cst) & 1) == side) return stripe << 1 | side;
      inside.fetch_sub(1, std::memory_order_seq_cst);
    }
  }
  void leave(unsigned ticket) {
    stripes_[ticket >> 1].inside[ticket & 1].fetch_sub(1, std::memory_order_seq_cst);
  }

  // One thread; only when old_side_is_empty().
  void turn() { turns_.fetch_add(1, std::memory_order_seq_cst); }
  bool old_side_is_empty() const {
    const unsigned old_side = (turns_.load(std::memory_order_seq_cst) + 1) & 1;
    for (const Stripe& stripe : stripes_)
      if (stripe.inside[old_side].load(std::memory_order_seq_cst) != 0) return false;
    return true;
  }

 private:
  static constexpr unsigned kStripes =
      32;  // so that readers of different threads rarely share a cache line
  struct alignas(64) Stripe {
    std::atomic<int64_t> inside[2] = {};
  };
  static unsigned stripe_of_thread() {
    static thread_local char anchor;
    return static_cast<unsigned>((reinterpret_cast<uintptr_t>(&anchor) * 0x9E3779B97F4A7C15u) >>
                                 40) %
           kStripes;
  }

  std::atomic<unsigned> turns_ = 0;
  std::array<Stripe, kStripes> stripes_;
};

}  // namespace holdfast::mvcc
