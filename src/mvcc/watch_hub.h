// The watchers of some streams and what each still has to be told (etcd mvcc/watchable_store.go; parity WAT-01..19). All
// methods run on one executor, a stream's own I/O thread; there is one hub for each of those.
//
// A watcher is
//   synced     everything up to position() was told; gets revisions as the feed brings them;
//   behind     starts in the past, or met a full outbox: what it misses is read from the store. It waits (for a scan, or,
//              parked, for its stream to drain) or is in a scan: up to kScansMax walks through history, a slice at a time,
//              each serving all its watchers at once.
// A stream's outbox is bounded by kWatchOutboxBytesMax plus one response: what doesn't fit is not kept anywhere, its
// watcher falls behind. So nothing a client does holds up another, and memory doesn't grow with a client's slowness.
//
// Promises: a watcher's events come in order, none missing, none twice; those of one revision in one response (unless it
// asked for fragments); `created` before all of them; a progress response with revision R after all events <= R.
#pragma once

#include <array>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/container/btree_set.h"
#include "base/shared_bytes.h"
#include "env/executor.h"
#include "mvcc/watch_feed.h"
#include "mvcc/watch_matcher.h"
#include "mvcc/watch_metrics.h"
#include "mvcc/watch_responses.h"

namespace holdfast::mvcc {

// A response is not begun when a stream has this much waiting for its client. A few round trips' worth on a fast
// network; 10,000 stuck clients then hold less than what etcd's 128 responses a stream may be.
inline constexpr size_t kWatchOutboxBytesMax = 512 * 1024;

// Where a stream's responses go. `head` and `tail` together are one serialized WatchResponse; the tail is shared with
// other streams.
class WatchSink {
 public:
  virtual ~WatchSink() = default;
  // Must not call the hub.
  virtual void send(std::string head, SharedBytes tail) = 0;
  // Bytes sent and not yet taken by the client's connection. When this falls far enough, WatchHub::on_drained is called.
  virtual size_t waiting_bytes() const = 0;
};

struct WatchOptions {
  std::string_view key;  // not empty
  std::string_view end;  // as in a range; "\0": no end
  int64_t id = 0;        // 0: chosen
  Revision start;        // 0: from now on
  bool prev_kv = false;
  bool fragment = false;
  bool progress_notify = false;
  bool no_put = false;
  bool no_delete = false;
};

class WatchHub : public std::enable_shared_from_this<WatchHub> {
 public:
  struct Options {
    // Appends field 1 of a response, with that revision.
    std::function<void(std::string&, Revision)> append_header;
    // WAT-15: responses of this size and more are cut, for who asked for it.
    size_t fragment_bytes_max = 0;
    env::Duration progress_interval = std::chrono::minutes(10);
  };
  // The feed is shared with the publisher; metrics outlive the hub. Held by shared_ptr: tasks and timers keep weak ones.
  WatchHub(std::shared_ptr<WatchFeed> feed, env::Executor& executor, WatchMetrics& metrics, Options options);
  ~WatchHub();
  WatchHub(const WatchHub&) = delete;
  WatchHub& operator=(const WatchHub&) = delete;

  class Stream;
  // The sink outlives the stream. `progress_jitter`: added to the interval, so that streams don't tick together (WAT-16).
  Stream* open(WatchSink& sink, env::Duration progress_jitter);
  void close(Stream* stream);

  // Each answers through the sink, as etcd's recvLoop does.
  void create(Stream& stream, const WatchOptions& watch);
  // created and canceled, with id -1 and this reason (WAT-03..06).
  void refuse(Stream& stream, std::string_view reason);
  void cancel(Stream& stream, int64_t id);
  void request_progress(Stream& stream);
  void on_drained(Stream& stream);

  // All events up to here were told to synced watchers.
  Revision position() const { return position_; }
  size_t watchers() const { return watcher_count_; }
  size_t synced_watchers() const { return groups_[synced_].size(); }

 private:
  static constexpr int kScansMax = 4;
  // Matchers: one of the synced watchers, one for each scan, one where those are kept that are in neither.
  static constexpr uint8_t kIdle = kScansMax + 1;
  static constexpr uint8_t kGroups = kScansMax + 2;
  static constexpr uint8_t kNoGroup = kGroups;

  enum Flag : uint16_t {
    kPrevKv = 1,
    kFragment = 2,
    kProgressNotify = 4,
    kProgressDue = 8,
    kNoPut = 16,
    kNoDelete = 32,
    kStartsAt = 64,    // a start revision was given
    kCompacted = 128,  // cancelled by us; its id is taken until the client cancels it too
    kWaiting = 256,    // in waiting_
  };
  // 32 bytes each: there may be millions.
  struct Watcher {
    int64_t id = 0;
    // Of what is older nothing is told. Those in a scan or synced were told what is older than the scan or position_.
    int64_t min_revision = 0;
    uint32_t stream = 0;
    WatchMatcher::Place place;
    uint8_t group = kNoGroup;
    uint16_t flags = 0;
  };
  struct Hit {
    uint32_t watcher;
    uint32_t event;
    auto operator<=>(const Hit&) const = default;
  };

  Stream& stream_of(const Watcher& w) { return *streams_[w.stream]; }
  bool is_full(const Stream& stream) const;

  // Groups.
  void put_in(uint32_t watcher, uint8_t group, std::string_view key, std::string_view end);
  void take_out(uint32_t watcher);
  void move(uint32_t watcher, uint8_t group);
  void wait_for_scan(uint32_t watcher);
  void park(uint32_t watcher, Revision resume);
  void leave_queues(uint32_t watcher);
  void forget(uint32_t watcher);

  // The feed.
  void subscribe();
  void unsubscribe();
  void run_live();
  void post_live();
  void fall_behind(Revision to);
  void tell_next();
  bool collect(const WatchMatcher& matcher, std::string_view key, bool deleted, Revision revision, uint32_t event);
  void tell_hits(const WatchEvents& events, size_t first, size_t count, WatchResponses::Header header);
  bool tell(uint32_t watcher, std::span<const uint32_t> list, WatchResponses& responses);
  std::string find_pair(std::string_view key, Revision at);

  // Catching up.
  void run_scans();
  void post_scans();
  bool start_scan();
  void run_slice(uint8_t group, Store& store);
  void admit(uint8_t group, int64_t last);
  void finish_scan(uint8_t group);
  void cancel_compacted(uint8_t group, Revision compacted);
  void cancel_compacted(uint32_t watcher, Revision compacted);

  // Progress.
  void arm_progress(Stream& stream);
  void tick(Stream& stream);
  void answer_progress();
  bool may_report(const Watcher& w, Revision revision) const;
  void send_progress(Stream& stream, int64_t id);

  void send_control(Stream& stream, Revision revision, int64_t id, std::string_view fields);
  void report_metrics();

  const std::shared_ptr<WatchFeed> feed_;  // shared with the publisher
  env::Executor& executor_;
  WatchMetrics& metrics_;
  const Options options_;

  std::vector<std::unique_ptr<Stream>> streams_;
  std::vector<uint32_t> free_streams_;
  std::deque<Watcher> watchers_;  // a deque: growing it by doubling would waste half
  std::vector<uint32_t> free_watchers_;
  size_t watcher_count_ = 0;
  size_t compacted_count_ = 0;

  std::array<WatchMatcher, kGroups> groups_;
  uint8_t synced_ = 0;  // which of the groups; roles change when a whole group falls behind
  std::array<int64_t, kGroups> scan_next_{};  // first revision not yet read; 0: no scan
  absl::btree_set<std::pair<int64_t, uint32_t>> waiting_;  // by min_revision
  bool scans_posted_ = false;

  std::shared_ptr<WatchInbox> inbox_;  // shared with the feed; null: no watchers, not subscribed
  Revision position_;
  std::shared_ptr<const WatchEvents> batch_;  // shared with other hubs; being told
  size_t batch_at_ = 0;                       // its next revision
  bool live_posted_ = false;
  size_t turn_bytes_ = 0;  // sent since the loop had its turn
  size_t events_sent_ = 0;
  std::vector<Hit> hits_;
  std::vector<uint32_t> list_;
  std::vector<uint32_t> progress_wanted_;  // streams whose request waits for position_
  int64_t reported_watchers_ = 0, reported_slow_ = 0;
};

}  // namespace holdfast::mvcc
