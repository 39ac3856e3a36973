#include "mvcc/watch_hub.h"

#include "base/check.h"
#include "base/mutant.h"
#include "base/wire.h"
#include "mvcc/watch_stream.h"

namespace holdfast::mvcc {
namespace {

constexpr std::string_view kNoEnd("\0", 1);
constexpr int64_t kInvalidWatchId = -1;

constexpr std::string_view kEmptyRange = "mvcc: watcher range is empty";
constexpr std::string_view kDuplicateId = "mvcc: duplicate watch ID provided on the WatchStream";

}  // namespace

WatchHub::WatchHub(std::shared_ptr<WatchFeed> feed, env::Executor& executor, WatchMetrics& metrics,
                   Options options)
    : feed_(std::move(feed)), executor_(executor), metrics_(metrics), options_(std::move(options)) {}

WatchHub::~WatchHub() { unsubscribe(); }

// --- streams ---

WatchHub::Stream* WatchHub::open(WatchSink& sink, env::Duration progress_jitter) {
  auto stream = std::make_unique<Stream>(sink, watchers_, options_.progress_interval + progress_jitter);
  stream->next_tick = executor_.now() + stream->progress_interval;
  if (free_streams_.empty()) {
    stream->index = static_cast<uint32_t>(streams_.size());
    streams_.emplace_back();
  } else {
    stream->index = free_streams_.back();
    free_streams_.pop_back();
  }
  Stream* const opened = stream.get();
  streams_[opened->index] = std::move(stream);
  metrics_.streams.add(1);
  return opened;
}

void WatchHub::close(Stream* stream) {
  executor_.cancel(stream->progress_timer);
  while (!stream->by_id.empty()) forget(*stream->by_id.begin());
  std::erase(progress_wanted_, stream->index);
  free_streams_.push_back(stream->index);
  streams_[stream->index] = nullptr;
  metrics_.streams.add(-1);
  if (watcher_count_ == 0) unsubscribe();
  report_metrics();
}

bool WatchHub::is_full(const Stream& stream) const {
  return stream.sink.waiting_bytes() >= kWatchOutboxBytesMax;
}

void WatchHub::on_drained(Stream& stream) {
  if (is_full(stream) || stream.parked.empty()) return;
  while (!stream.parked.empty()) {
    const uint32_t watcher = *stream.parked.begin();
    stream.parked.erase(stream.parked.begin());
    wait_for_scan(watcher);
  }
  post_scans();
}

// --- requests ---

void WatchHub::refuse(Stream& stream, std::string_view reason) {
  const std::shared_ptr<Store> store = feed_->store();  // shared with its other readers
  std::string fields;
  wire::Writer writer(fields);
  writer.put_bool(watch_field::kCreated, true);
  writer.put_bool(watch_field::kCanceled, true);
  writer.put_bytes(watch_field::kCancelReason, reason);
  send_control(stream, store ? store->current_revision() : position_, kInvalidWatchId, fields);
}

void WatchHub::create(Stream& stream, const WatchOptions& watch) {
  CHECK(!watch.key.empty());
  if (!watch.end.empty() && watch.end != kNoEnd && watch.key >= watch.end)
    return refuse(stream, kEmptyRange);
  int64_t id = watch.id;
  if (id == 0) {
    while (stream.by_id.contains(stream.next_id)) ++stream.next_id;
    id = stream.next_id++;
  } else if (stream.by_id.contains(id)) {
    return refuse(stream, kDuplicateId);
  }
  if (inbox_ == nullptr) subscribe();
  const std::shared_ptr<Store> store = feed_->store();  // shared with its other readers
  if (store == nullptr) return;
  // Read after subscribing: what is newer comes through the feed.
  const Revision current = store->current_revision();

  uint32_t watcher;
  if (free_watchers_.empty()) {
    watcher = static_cast<uint32_t>(watchers_.size());
    watchers_.emplace_back();
  } else {
    watcher = free_watchers_.back();
    free_watchers_.pop_back();
  }
  Watcher& w = watchers_[watcher];
  w = Watcher();
  w.id = id;
  w.stream = stream.index;
  const bool from_now = watch.start.value == 0;
  w.min_revision = from_now ? current.value + 1 : watch.start.value;
  w.flags = static_cast<uint16_t>((watch.prev_kv ? kPrevKv : 0) | (watch.fragment ? kFragment : 0) |
                                  (watch.progress_notify ? kProgressNotify | kProgressDue : 0) |
                                  (watch.no_put ? kNoPut : 0) | (watch.no_delete ? kNoDelete : 0) |
                                  (from_now ? 0 : kStartsAt));
  stream.by_id.insert(watcher);
  ++watcher_count_;

  std::string fields;
  wire::Writer(fields).put_bool(watch_field::kCreated, true);
  send_control(stream, current, id, fields);
  if (w.min_revision > position_.value) {
    put_in(watcher, synced_, watch.key, watch.end);
  } else {
    put_in(watcher, kIdle, watch.key, watch.end);
    wait_for_scan(watcher);
    post_scans();
  }
  if (watch.progress_notify && stream.progress_watchers++ == 0) arm_progress(stream);
  report_metrics();
}

void WatchHub::cancel(Stream& stream, int64_t id) {
  const auto found = stream.by_id.find(id);
  if (found == stream.by_id.end()) return;  // WAT-08
  forget(*found);
  const std::shared_ptr<Store> store = feed_->store();  // shared with its other readers
  std::string fields;
  wire::Writer(fields).put_bool(watch_field::kCanceled, true);
  send_control(stream, store ? store->current_revision() : position_, id, fields);
  if (watcher_count_ == 0) unsubscribe();
  report_metrics();
}

void WatchHub::send_control(Stream& stream, Revision revision, int64_t id, std::string_view fields) {
  const env::Instant began = executor_.now();
  std::string response;
  options_.append_header(response, revision);
  wire::Writer(response).put_nonzero_int64(watch_field::kWatchId, id);
  response.append(fields);
  stream.sink.send(std::move(response), {});
  metrics_.control_seconds.observe(std::chrono::duration<double>(executor_.now() - began).count());
}

// --- groups ---

void WatchHub::put_in(uint32_t watcher, uint8_t group, std::string_view key, std::string_view end) {
  Watcher& w = watchers_[watcher];
  w.place = groups_[group].add(key, end, watcher);
  w.group = group;
  ++stream_of(w).in_group[group];
}

void WatchHub::take_out(uint32_t watcher) {
  Watcher& w = watchers_[watcher];
  const WatchMatcher::Moved moved = groups_[w.group].remove(w.place);
  if (moved.any) watchers_[moved.item].place = moved.place;
  --stream_of(w).in_group[w.group];
  w.group = kNoGroup;
}

void WatchHub::move(uint32_t watcher, uint8_t group) {
  Watcher& w = watchers_[watcher];
  if (w.group == group) return;
  const uint8_t from = w.group;
  const WatchMatcher::Place place = w.place;
  const WatchMatcher::Range range = groups_[from].range_at(place);
  put_in(watcher, group, range.key, range.end);
  const WatchMatcher::Moved moved = groups_[from].remove(place);
  if (moved.any) watchers_[moved.item].place = moved.place;
  --stream_of(w).in_group[from];
}

void WatchHub::wait_for_scan(uint32_t watcher) {
  move(watcher, kIdle);
  Watcher& w = watchers_[watcher];
  waiting_.insert({w.min_revision, watcher});
  w.flags |= kWaiting;
}

void WatchHub::park(uint32_t watcher, Revision resume) {
  move(watcher, kIdle);
  Watcher& w = watchers_[watcher];
  w.min_revision = resume.value;
  stream_of(w).parked.insert(watcher);
}

// Out of whatever it waits in, but not out of its group.
void WatchHub::leave_queues(uint32_t watcher) {
  Watcher& w = watchers_[watcher];
  if ((w.flags & kWaiting) != 0) {
    waiting_.erase({w.min_revision, watcher});
    w.flags &= ~kWaiting;
  } else if (w.group == kIdle) {
    stream_of(w).parked.erase(watcher);
  }
}

void WatchHub::forget(uint32_t watcher) {
  Watcher& w = watchers_[watcher];
  Stream& stream = stream_of(w);
  if ((w.flags & kCompacted) != 0) {
    --compacted_count_;
    --stream.compacted;
  } else {
    leave_queues(watcher);
    take_out(watcher);
  }
  if ((w.flags & kProgressNotify) != 0 && --stream.progress_watchers == 0)
    executor_.cancel(std::exchange(stream.progress_timer, 0));
  stream.by_id.erase(watcher);
  free_watchers_.push_back(watcher);
  if (--watcher_count_ == 0) {
    watchers_.clear();
    watchers_.shrink_to_fit();
    free_watchers_ = {};
  }
}

// --- progress ---

void WatchHub::arm_progress(Stream& stream) {
  // The stream's clock ticks from its opening on, whether or not somebody wants to know.
  const env::Instant now = executor_.now();
  if (stream.next_tick <= now) {
    const int64_t interval = stream.progress_interval.count();
    const int64_t late = (now - stream.next_tick).count();
    stream.next_tick = stream.next_tick + env::Duration((late / interval + 1) * interval);
  }
  stream.progress_timer =
      executor_.post_at(stream.next_tick, [weak = weak_from_this(), &stream] {
        // Closing the stream cancels the timer.
        if (auto hub = weak.lock()) hub->tick(stream);
      });
}

bool WatchHub::may_report(const Watcher& w, Revision revision) const {
  if (w.group != synced_) return false;
  // VD-09: nothing older than its start.
  return (w.flags & kStartsAt) == 0 || w.min_revision <= revision.value;
}

void WatchHub::tick(Stream& stream) {
  const env::Instant began = executor_.now();
  for (const uint32_t watcher : stream.by_id) {
    Watcher& w = watchers_[watcher];
    if ((w.flags & kProgressNotify) == 0) continue;
    if ((w.flags & kProgressDue) != 0 && may_report(w, position_) && !is_full(stream))
      send_progress(stream, w.id);
    w.flags |= kProgressDue;
  }
  arm_progress(stream);
  metrics_.progress_seconds.observe(std::chrono::duration<double>(executor_.now() - began).count());
}

void WatchHub::send_progress(Stream& stream, int64_t id) {
  std::string response;
  options_.append_header(response, position_ + (mutant("mvcc.watch_progress_before_events") ? 1 : 0));
  wire::Writer(response).put_nonzero_int64(watch_field::kWatchId, id);
  stream.sink.send(std::move(response), {});
}

void WatchHub::request_progress(Stream& stream) {
  if (stream.by_id.empty()) return;  // TRP-17
  const std::shared_ptr<Store> store = feed_->store();  // shared with its other readers
  if (store == nullptr) return;
  // Who asks may know this revision from elsewhere and wait to be told it.
  if (stream.progress_at == 0) progress_wanted_.push_back(stream.index);
  stream.progress_at = store->current_revision().value;
  answer_progress();
}

// Those whose revision has been told (WAT-17).
void WatchHub::answer_progress() {
  if (progress_wanted_.empty()) return;
  std::erase_if(progress_wanted_, [&](uint32_t index) {
    Stream& stream = *streams_[index];
    if (stream.progress_at > position_.value && !mutant("mvcc.watch_progress_before_events")) return false;
    stream.progress_at = 0;
    if (stream.by_id.size() != stream.in_group[synced_] + stream.compacted || is_full(stream)) return true;
    bool any = false;
    for (const uint32_t watcher : stream.by_id) {
      const Watcher& w = watchers_[watcher];
      if ((w.flags & kCompacted) != 0) continue;
      if (!may_report(w, position_)) return true;
      any = true;
    }
    if (any) send_progress(stream, kInvalidWatchId);
    return true;
  });
}

void WatchHub::report_metrics() {
  const auto watchers = static_cast<int64_t>(watcher_count_);
  const auto slow =
      static_cast<int64_t>(watcher_count_ - compacted_count_ - groups_[synced_].size());
  if (watchers != reported_watchers_)
    metrics_.watchers.add(static_cast<double>(watchers - std::exchange(reported_watchers_, watchers)));
  if (slow != reported_slow_)
    metrics_.slow_watchers.add(static_cast<double>(slow - std::exchange(reported_slow_, slow)));
  if (events_sent_ != 0) metrics_.events.add(static_cast<double>(std::exchange(events_sent_, 0)));
}

}  // namespace holdfast::mvcc
