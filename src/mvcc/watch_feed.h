// What happened, on its way from the apply owner to the hubs that match it against their watchers (one hub an I/O
// thread). The apply owner pays for one copy of each change and one wake-up a hub and batch; with no watcher anywhere it
// pays next to nothing. A hub that doesn't keep up loses its queue and is told to read the store instead, so that a
// queue's memory is bounded whatever a hub does.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <vector>

#include "env/metrics.h"
#include "mvcc/store.h"
#include "mvcc/watch_events.h"

namespace holdfast::mvcc {

// What may wait for one hub. Some 50,000 puts of a few hundred bytes: a second's worth and more; beyond, reading them
// from the store in one go is the cheaper way to catch up.
inline constexpr size_t kWatchInboxBytesMax = 16 << 20;

class WatchInbox {
 public:
  // `wake` is called on any thread when there is something to take after there was nothing; it must not take here.
  WatchInbox(std::function<void()> wake, env::Gauge& pending_events)
      : wake_(std::move(wake)), pending_events_(pending_events) {}
  ~WatchInbox();

  struct Next {
    // Everything up to here must be read from the store; comes before `events`.
    std::optional<Revision> missed_to;
    std::shared_ptr<const WatchEvents> events;  // shared by all hubs; may be null
  };
  // The oldest entry. False if there is none: then the next one wakes the hub again.
  bool take(Next& next);

 private:
  friend class WatchFeed;
  void push(const std::shared_ptr<const WatchEvents>& events, Revision to);
  void skip_to(Revision to);
  void drop_queue();

  const std::function<void()> wake_;
  env::Gauge& pending_events_;
  std::mutex mutex_;  // guards what follows
  std::deque<std::shared_ptr<const WatchEvents>> queue_;  // shared with the other hubs
  size_t bytes_ = 0;
  std::optional<Revision> missed_to_;
  bool awake_ = false;  // the hub was woken and hasn't found the queue empty since
};

class WatchFeed {
 public:
  WatchFeed(std::shared_ptr<Store> store, env::Metrics& metrics);

  // --- apply owner ---

  // A write transaction ended. The changes' bytes are used inside the call only.
  void publish(Revision revision, const std::vector<Change>& changes);
  // Hands what was published to the hubs; at the end of each batch of entries.
  void flush();
  // A snapshot was installed: everything the hubs haven't seen is in this store (WAT-19).
  void restore(std::shared_ptr<Store> store);
  // No store to read from any more.
  void close();

  // --- any thread ---

  // The store to read from: at least as new as everything a hub was told. Null after close(). Shared with the readers
  // under way.
  std::shared_ptr<Store> store() const;
  // From now on `inbox` gets everything after the revision returned. Shared with the hub.
  Revision subscribe(std::shared_ptr<WatchInbox> inbox);
  void unsubscribe(const std::shared_ptr<WatchInbox>& inbox);
  env::Gauge& pending_events() { return pending_events_; }

 private:
  env::Gauge& pending_events_;
  // Apply owner: changes after published_, all of them. Shared with the inboxes once flushed.
  std::shared_ptr<WatchEvents> gathered_;
  const std::shared_ptr<WatchEventsPool> pool_ = std::make_shared<WatchEventsPool>();  // shared with its batches

  mutable std::mutex mutex_;  // guards what follows
  std::shared_ptr<Store> store_;  // shared with readers
  Revision published_;  // what subscribers of this moment need not be told
  std::vector<std::shared_ptr<WatchInbox>> inboxes_;  // shared with their hubs
};

}  // namespace holdfast::mvcc
