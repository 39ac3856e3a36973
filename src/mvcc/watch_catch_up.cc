// A hub's past: watchers that are behind are told what the store remembers.
#include <algorithm>

#include "base/check.h"
#include "base/errors.h"
#include "base/mutant.h"
#include "base/wire.h"
#include "mvcc/watch_hub.h"
#include "mvcc/watch_stream.h"

namespace holdfast::mvcc {
namespace {

// What a scan reads before the loop has its turn again: about a millisecond.
constexpr int kSliceRecords = 2000;
// Revisions of one response, as etcd's watchBatchMaxRevs (WAT-10).
constexpr int64_t kSliceRevisions = 1000;
// What is kept of a slice for its watchers, and thereby the size of a response (one revision's events stay together
// however many they are).
constexpr size_t kSliceBytesMax = 256 * 1024;
// Who is no more than so many revisions behind is nearly there: a scan of some 10 ms.
constexpr int64_t kNear = 20'000;

}  // namespace

void WatchHub::post_scans() {
  if (std::exchange(scans_posted_, true)) return;
  executor_.post([weak = weak_from_this()] {
    auto hub = weak.lock();
    if (hub == nullptr) return;
    hub->scans_posted_ = false;
    hub->run_scans();
  });
}

// One slice for each scan, then the loop has its turn.
void WatchHub::run_scans() {
  const std::shared_ptr<Store> store = feed_->store();  // shared with its other readers
  if (store == nullptr) return;
  while (start_scan()) {
  }
  bool any = false;
  for (uint8_t group = 0; group < kIdle; ++group) {
    if (scan_next_[group] == 0) continue;
    run_slice(group, *store);
    any = true;
  }
  if (any) post_scans();
  report_metrics();
}

// Begins one at the watcher that is furthest behind, unless a scan is on its way there; it takes in the others in passing.
// Before that, one for those who are nearly there: they must not wait for a long walk through history.
bool WatchHub::start_scan() {
  if (waiting_.empty()) return false;
  uint8_t free = 0;
  while (free < kIdle && (free == synced_ || scan_next_[free] != 0)) ++free;
  if (free == kIdle) return false;
  const auto is_coming = [&](int64_t revision, int64_t from) {
    for (const int64_t next : scan_next_)
      if (next != 0 && next >= from && next <= revision) return true;
    return false;
  };
  const int64_t nearly_there = position_.value - kNear;
  int64_t start = 0;
  if (const int64_t last = waiting_.rbegin()->first; last >= nearly_there && !is_coming(last, nearly_there)) {
    start = waiting_.lower_bound({nearly_there, 0})->first;
  } else if (const int64_t first = waiting_.begin()->first; !is_coming(first, 0)) {
    start = first;
  } else {
    return false;
  }
  scan_next_[free] = std::max<int64_t>(start, 1);
  return true;
}

// Takes in who waits for this part.
void WatchHub::admit(uint8_t group, int64_t last) {
  auto at = waiting_.lower_bound({scan_next_[group], 0});
  while (at != waiting_.end() && at->first <= last) {
    const uint32_t watcher = at->second;
    at = waiting_.erase(at);
    watchers_[watcher].flags &= ~kWaiting;
    move(watcher, group);
  }
}

void WatchHub::run_slice(uint8_t group, Store& store) {
  const int64_t from = scan_next_[group];
  const int64_t to = std::min(from + kSliceRevisions - 1, position_.value);
  admit(group, to);
  if (groups_[group].size() == 0) {
    scan_next_[group] = 0;
    return;
  }
  if (from > to) return finish_scan(group);

  WatchEvents events;
  hits_.clear();
  int64_t reached = to;
  int records = 0;
  Revision last;
  const absl::Status status = store.visit_changes(Revision(from), Revision(to), [&](const Change& change) {
    const Revision revision(change.revision.main);
    if (revision != last && (records >= kSliceRecords || events.memory_bytes() >= kSliceBytesMax)) {
      reached = revision.value - 1;
      return false;
    }
    last = revision;
    ++records;
    if (collect(groups_[group], change.pair.key, change.deleted, revision, static_cast<uint32_t>(events.size())))
      events.add(change);
    return true;
  });
  if (is(status, EtcdError::compacted)) return cancel_compacted(group, store.compacted_revision());
  CHECK(status.ok(), "{}", message(status));
  scan_next_[group] = reached + (mutant("mvcc.watch_reads_a_revision_twice") ? 0 : 1);
  if (!hits_.empty()) {
    std::sort(hits_.begin(), hits_.end());
    tell_hits(events, 0, events.size(),
              [&](std::string& out, std::span<const uint32_t>) { options_.append_header(out, position_); });
  }
  if (scan_next_[group] > position_.value) finish_scan(group);
}

// Everybody in it knows everything up to position_: they are synced. The smaller group moves.
void WatchHub::finish_scan(uint8_t group) {
  scan_next_[group] = 0;
  uint8_t smaller = group;
  if (groups_[group].size() > groups_[synced_].size()) {
    smaller = synced_;
    synced_ = group;
  }
  std::vector<uint32_t> members;
  members.reserve(groups_[smaller].size());
  groups_[smaller].for_each(
      [&](std::string_view, std::string_view, uint32_t watcher) { members.push_back(watcher); });
  for (const uint32_t watcher : members) move(watcher, synced_);
}

void WatchHub::cancel_compacted(uint8_t group, Revision compacted) {
  std::vector<uint32_t> lost;
  groups_[group].for_each([&](std::string_view, std::string_view, uint32_t watcher) {
    if (std::max(watchers_[watcher].min_revision, scan_next_[group]) < compacted.value) lost.push_back(watcher);
  });
  for (const uint32_t watcher : lost) cancel_compacted(watcher, compacted);
  scan_next_[group] = compacted.value;
}

// WAT-11, TRP-16: the header's revision is 0.
void WatchHub::cancel_compacted(uint32_t watcher, Revision compacted) {
  Watcher& w = watchers_[watcher];
  Stream& stream = stream_of(w);
  take_out(watcher);
  w.flags |= kCompacted;
  ++compacted_count_;
  ++stream.compacted;
  std::string fields;
  wire::Writer writer(fields);
  writer.put_bool(watch_field::kCanceled, true);
  writer.put_int64(watch_field::kCompactRevision, compacted.value);
  send_control(stream, Revision(0), w.id, fields);
}

}  // namespace holdfast::mvcc
