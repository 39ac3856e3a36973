#include "mvcc/watch_feed.h"

#include <utility>

namespace holdfast::mvcc {

// --- inbox ---

WatchInbox::~WatchInbox() { drop_queue(); }

void WatchInbox::drop_queue() {
  size_t events = 0;
  for (const auto& batch : queue_) events += batch->size();
  if (events != 0) pending_events_.add(-static_cast<double>(events));
  queue_.clear();
  bytes_ = 0;
}

bool WatchInbox::take(Next& next) {
  std::lock_guard lock(mutex_);
  next.missed_to = std::exchange(missed_to_, std::nullopt);
  next.events = nullptr;
  if (!queue_.empty()) {
    next.events = std::move(queue_.front());
    queue_.pop_front();
    bytes_ -= next.events->memory_bytes();
    pending_events_.add(-static_cast<double>(next.events->size()));
  }
  awake_ = next.missed_to || next.events;
  return awake_;
}

void WatchInbox::push(const std::shared_ptr<const WatchEvents>& events, Revision to) {
  {
    std::lock_guard lock(mutex_);
    bytes_ += events->memory_bytes();
    if (bytes_ > kWatchInboxBytesMax) {
      drop_queue();
      missed_to_ = to;
    } else {
      queue_.push_back(events);
      pending_events_.add(static_cast<double>(events->size()));
    }
    if (std::exchange(awake_, true)) return;
  }
  wake_();
}

void WatchInbox::skip_to(Revision to) {
  {
    std::lock_guard lock(mutex_);
    drop_queue();
    missed_to_ = to;
    if (std::exchange(awake_, true)) return;
  }
  wake_();
}

// --- feed ---

WatchFeed::WatchFeed(std::shared_ptr<Store> store, env::Metrics& metrics)
    : pending_events_(metrics.gauge("etcd_debugging_mvcc_pending_events_total",
                                    "Total number of pending events to be sent.")),
      store_(std::move(store)),
      published_(store_->current_revision()) {}

void WatchFeed::publish(Revision revision, const std::vector<Change>& changes) {
  {
    std::lock_guard lock(mutex_);
    if (inboxes_.empty()) {
      published_ = revision;
      gathered_ = nullptr;
      return;
    }
  }
  if (gathered_ == nullptr) gathered_ = pool_->take();
  for (const Change& change : changes) gathered_->add(change);
}

void WatchFeed::flush() {
  if (gathered_ == nullptr) return;
  const std::shared_ptr<const WatchEvents> events = std::exchange(gathered_, nullptr);  // shared by the hubs
  std::lock_guard lock(mutex_);
  published_ = events->revisions().back().revision;
  for (const auto& inbox : inboxes_) inbox->push(events, published_);
}

void WatchFeed::restore(std::shared_ptr<Store> store) {
  gathered_ = nullptr;
  std::lock_guard lock(mutex_);
  store_ = std::move(store);
  published_ = store_->current_revision();
  for (const auto& inbox : inboxes_) inbox->skip_to(published_);
}

void WatchFeed::close() {
  std::lock_guard lock(mutex_);
  store_ = nullptr;
}

std::shared_ptr<Store> WatchFeed::store() const {
  std::lock_guard lock(mutex_);
  return store_;
}

Revision WatchFeed::subscribe(std::shared_ptr<WatchInbox> inbox) {
  std::lock_guard lock(mutex_);
  inboxes_.push_back(std::move(inbox));
  return published_;
}

void WatchFeed::unsubscribe(const std::shared_ptr<WatchInbox>& inbox) {
  std::lock_guard lock(mutex_);
  std::erase(inboxes_, inbox);
}

}  // namespace holdfast::mvcc
