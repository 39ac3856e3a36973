// A hub's present: what the feed brings goes to the synced watchers.
#include <algorithm>

#include "base/mutant.h"
#include "base/wire.h"
#include "mvcc/watch_hub.h"
#include "mvcc/watch_stream.h"

namespace holdfast::mvcc {
namespace {

// What one turn of the loop may send before its connections get to write it out: less than an outbox, so that a client
// who keeps up is never taken for a slow one.
constexpr size_t kTurnBytesMax = 256 * 1024;
// Revisions of one response (WAT-10): those that wait together are told together, as to a watcher that catches up.
constexpr size_t kRevisionsTogether = 1000;

}  // namespace

void WatchHub::subscribe() {
  inbox_ = std::make_shared<WatchInbox>(  // shared with the feed
      [weak = weak_from_this(), &executor = executor_] {
        executor.post([weak] {
          if (auto hub = weak.lock()) hub->run_live();
        });
      },
      feed_->pending_events());
  position_ = feed_->subscribe(inbox_);
}

void WatchHub::unsubscribe() {
  if (inbox_ == nullptr) return;
  feed_->unsubscribe(inbox_);
  inbox_ = nullptr;
  batch_ = nullptr;
  scan_next_ = {};
}

void WatchHub::post_live() {
  if (std::exchange(live_posted_, true)) return;
  executor_.post([weak = weak_from_this()] {
    auto hub = weak.lock();
    if (hub == nullptr) return;
    hub->live_posted_ = false;
    hub->run_live();
  });
}

void WatchHub::run_live() {
  turn_bytes_ = 0;
  WatchInbox::Next next;
  while (inbox_ != nullptr) {
    if (batch_ == nullptr) {
      if (!inbox_->take(next)) break;
      if (next.missed_to) fall_behind(*next.missed_to);
      batch_ = std::move(next.events);
      batch_at_ = 0;
      if (batch_ == nullptr) continue;
    }
    if (batch_at_ == batch_->revisions().size()) {
      batch_ = nullptr;
      continue;
    }
    if (turn_bytes_ >= kTurnBytesMax) {
      post_live();
      break;
    }
    tell_next();
  }
  report_metrics();
}

// Whole revisions of batch_, as many as fit into a turn, at least one. A response says the revision of its last event, so
// that a client sees no difference when they come one by one.
void WatchHub::tell_next() {
  const WatchEvents& events = *batch_;
  const std::vector<WatchEvents::OfRevision>& revisions = events.revisions();
  const size_t stop = std::min(revisions.size(), batch_at_ + kRevisionsTogether);
  const size_t first = revisions[batch_at_].first;
  size_t end = first;
  size_t bytes = turn_bytes_;
  Revision reached = position_;
  hits_.clear();
  while (batch_at_ < stop && bytes < kTurnBytesMax) {
    const WatchEvents::OfRevision& of = revisions[batch_at_++];
    end = of.first + of.count;
    if (of.revision <= position_) continue;
    reached = of.revision;
    if (groups_[synced_].size() == 0) continue;
    for (size_t i = of.first; i < end; ++i) {
      const size_t before = hits_.size();
      collect(groups_[synced_], events.key(events[i]), events[i].deleted, of.revision, static_cast<uint32_t>(i));
      bytes += (hits_.size() - before) * events[i].body_size;
    }
  }
  if (!hits_.empty()) {
    if (end - first > 1) std::sort(hits_.begin(), hits_.end());
    tell_hits(events, first, end - first, [&](std::string& out, std::span<const uint32_t> list) {
      options_.append_header(out, events.revision_of(list.back()));
    });
  }
  position_ = reached;
  answer_progress();
}

// Adds the watchers of one event that want it. False if there are none.
bool WatchHub::collect(const WatchMatcher& matcher, std::string_view key, bool deleted, Revision revision,
                       uint32_t event) {
  const size_t before = hits_.size();
  const uint16_t unwanted = deleted ? kNoDelete : kNoPut;
  matcher.match(key, [&](const WatchMatcher::Item* items, size_t count) {
    for (size_t i = 0; i < count; ++i) {
      const Watcher& w = watchers_[items[i]];
      if (w.min_revision <= revision.value && (w.flags & unwanted) == 0) hits_.push_back({items[i], event});
    }
  });
  return hits_.size() != before;
}

// hits_ are in order by watcher; each watcher gets its events in one response, or all of them later.
void WatchHub::tell_hits(const WatchEvents& events, size_t first, size_t count, WatchResponses::Header header) {
  const env::Instant began = executor_.now();
  const size_t sent_before = events_sent_;
  WatchResponses responses(events, first, count, header,
                           [this](std::string_view key, Revision at) { return find_pair(key, at); });
  for (size_t i = 0; i < hits_.size();) {
    const uint32_t watcher = hits_[i].watcher;
    list_.clear();
    for (; i < hits_.size() && hits_[i].watcher == watcher; ++i) list_.push_back(hits_[i].event);
    if (!tell(watcher, list_, responses) && !mutant("mvcc.watch_forgets_what_was_full"))
      park(watcher, events.revision_of(list_.front()));
  }
  const double seconds = std::chrono::duration<double>(executor_.now() - began).count();
  metrics_.events_seconds.observe(seconds);
  if (events_sent_ != sent_before)
    metrics_.seconds_per_event.observe(seconds / static_cast<double>(events_sent_ - sent_before));
}

// False if there is no room for it.
bool WatchHub::tell(uint32_t watcher, std::span<const uint32_t> list, WatchResponses& responses) {
  Watcher& w = watchers_[watcher];
  Stream& stream = stream_of(w);
  if (is_full(stream)) return false;
  const PreviousPairs previous = (w.flags & kPrevKv) != 0 ? PreviousPairs::yes : PreviousPairs::no;
  std::string head;
  wire::Writer(head).put_nonzero_int64(watch_field::kWatchId, w.id);
  SharedBytes body = responses.body(list, previous);
  turn_bytes_ += head.size() + body.size();
  if ((w.flags & kFragment) != 0 && list.size() > 1 &&
      head.size() + body.size() >= options_.fragment_bytes_max) {
    responses.fragments(list, previous, head.size(), options_.fragment_bytes_max,
                        [&](SharedBytes piece) { stream.sink.send(head, std::move(piece)); });
  } else {
    stream.sink.send(std::move(head), std::move(body));
  }
  w.flags &= ~kProgressDue;
  events_sent_ += list.size();
  return true;
}

std::string WatchHub::find_pair(std::string_view key, Revision at) {
  const std::shared_ptr<Store> store = feed_->store();  // shared with its other readers
  std::string found;
  if (store == nullptr) return found;
  ReadTxn txn = store->read();
  (void)txn.visit(key, {}, {.revision = at},
                  [&](const KeyValueView& pair) { found.assign(pair.encoded); });
  return found;
}

// What lies between position_ and `to` isn't coming through the feed: all synced watchers together begin a scan there.
void WatchHub::fall_behind(Revision to) {
  if (to <= position_) return;
  if (groups_[synced_].size() > 0) {
    uint8_t free = 0;
    while (free < kIdle && (free == synced_ || scan_next_[free] != 0)) ++free;
    if (free < kIdle) {
      scan_next_[synced_] = position_.value + 1;
      synced_ = free;
    } else {
      // All scans are taken: each for itself.
      std::vector<uint32_t> behind;
      groups_[synced_].for_each([&](std::string_view, std::string_view, uint32_t watcher) {
        if (watchers_[watcher].min_revision <= to.value) behind.push_back(watcher);
      });
      for (const uint32_t watcher : behind) {
        watchers_[watcher].min_revision = std::max(watchers_[watcher].min_revision, position_.value + 1);
        wait_for_scan(watcher);
      }
    }
    post_scans();
  }
  position_ = to;
  answer_progress();
}

}  // namespace holdfast::mvcc
