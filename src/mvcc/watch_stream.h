// One stream of a hub. Private to mvcc/.
#pragma once

#include "mvcc/watch_hub.h"

namespace holdfast::mvcc {

class WatchHub::Stream {
 public:
  // Watchers by their ids, which are in the hub's array.
  struct ById {
    using is_transparent = void;
    const std::deque<Watcher>* watchers;
    int64_t id(int64_t given) const { return given; }
    int64_t id(uint32_t watcher) const { return (*watchers)[watcher].id; }
    template <class A, class B>
    bool operator()(A a, B b) const {
      return id(a) < id(b);
    }
  };

  Stream(WatchSink& s, const std::deque<Watcher>& watchers, env::Duration interval)
      : sink(s), by_id(ById{&watchers}), progress_interval(interval) {}

  WatchSink& sink;
  uint32_t index = 0;  // in streams_
  absl::btree_set<uint32_t, ById> by_id;
  int64_t next_id = 0;
  // Its watchers in each group.
  std::array<uint32_t, kGroups> in_group{};
  uint32_t compacted = 0;
  // Watchers that wait for the outbox to drain.
  absl::btree_set<uint32_t> parked;

  // Of the first tick; the timer runs only while there is a watcher that wants it.
  env::Instant next_tick{};
  env::TimerId progress_timer = 0;
  const env::Duration progress_interval;
  uint32_t progress_watchers = 0;
  // A manual request that waits until position_ is here; 0: none.
  int64_t progress_at = 0;
};

}  // namespace holdfast::mvcc
