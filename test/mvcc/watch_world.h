// A store with a feed and a hub over it, and clients that check every response they get against what happened.
#pragma once

#include <algorithm>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "base/wire.h"
#include "mvcc/watch_hub.h"
#include "rpc.pb.h"
#include "test/mvcc/store_world.h"

namespace holdfast::mvcc {

inline const std::string kNoEndText("\0", 1);

struct Happened {
  int64_t revision;
  std::string key;
  bool deleted;
  std::string kv;  // as an event shows it
  bool created;
};

inline bool in_range(const std::string& key, const std::string& begin, const std::string& end) {
  if (end.empty()) return key == begin;
  return key >= begin && (end == kNoEndText || key < end);
}

struct WatchWorld : StoreWorld {
  WatchWorld() {
    open();
    feed = std::make_shared<WatchFeed>(share_store(), metrics);
    hub = make_hub();
  }
  ~WatchWorld() {
    hub.reset();
    feed->close();
  }

  std::shared_ptr<WatchHub> make_hub() {
    WatchHub::Options hub_options;
    hub_options.append_header = [](std::string& out, Revision revision) {
      std::string header;
      wire::Writer writer(header);
      writer.put_nonzero_uint64(1, 0xdef);
      writer.put_nonzero_int64(3, revision.value);
      wire::Writer(out).put_bytes(1, header);
    };
    hub_options.fragment_bytes_max = 1000;
    hub_options.progress_interval = std::chrono::seconds(10);
    return std::make_shared<WatchHub>(feed, io, watch_metrics, hub_options);
  }
  // The store stays the world's.
  std::shared_ptr<Store> share_store() { return {store.get(), [](Store*) {}}; }

  // One entry.
  template <class Change>
  void apply(Change change) {
    WriteTxn txn = store->write();
    change(txn);
    txn.end();
    for (const auto& c : txn.changes()) {
      etcdserverpb_kv.Clear();
      if (c.deleted) {
        etcdserverpb_kv.set_key(std::string(c.pair.key));
        etcdserverpb_kv.set_mod_revision(c.revision.main);
      } else {
        ASSERT_TRUE(etcdserverpb_kv.ParseFromString(std::string(c.pair.encoded)));
      }
      happened.push_back({c.revision.main, std::string(c.pair.key), c.deleted,
                          etcdserverpb_kv.SerializeAsString(),
                          !c.deleted && c.pair.create_revision.value == c.revision.main});
    }
    if (!txn.changes().empty()) feed->publish(txn.result_revision(), txn.changes());
    backend->entry_boundary();
  }
  void put(std::string_view key, std::string_view value) {
    apply([&](WriteTxn& txn) { txn.put(key, value, LeaseId(0)); });
  }
  void erase(std::string_view key, std::string_view end = {}) {
    apply([&](WriteTxn& txn) { txn.delete_range(key, end); });
  }
  void run_io() {
    while (io.run_one()) {
    }
  }
  void settle() {
    feed->flush();
    run_io();
  }
  void pass_io(env::Duration time) {
    clock.advance(time);
    run_io();
  }

  ManualExecutor io{clock};
  env::NullMetrics watch_registry;
  WatchMetrics watch_metrics{watch_registry};
  std::shared_ptr<WatchFeed> feed;
  std::shared_ptr<WatchHub> hub;
  std::vector<Happened> happened;
  mvccpb::KeyValue etcdserverpb_kv;
};

// One stream. Each response counts as `weight` bytes until it is drained.
struct WatchClient : WatchSink {
  struct Watch {
    WatchOptions options;
    std::string key, end;
    int64_t next = 0;  // first revision it has not been told yet
    bool created = false;
    bool canceled = false;
    int64_t compacted = 0;
    size_t events = 0;
    std::vector<int64_t> progress;
  };

  explicit WatchClient(WatchWorld& w, size_t bytes_per_response = 0)
      : world(w), weight(bytes_per_response), stream(w.hub->open(*this, {})) {}
  ~WatchClient() override {
    if (stream != nullptr) world.hub->close(stream);
  }

  // The id it gets.
  int64_t watch(WatchOptions options, std::string key, std::string end = {}) {
    Watch watch{.options = options, .key = key, .end = end};
    watch.options.key = key;
    watch.options.end = end;
    const size_t before = responses.size();
    asked = &watch;
    world.hub->create(*stream, watch.options);
    asked = nullptr;
    EXPECT_GT(responses.size(), before);
    return responses[before].watch_id();
  }

  void send(std::string head, SharedBytes tail) override {
    etcdserverpb::WatchResponse r;
    ASSERT_TRUE(r.ParseFromString(head + std::string(tail.view())));
    waiting += std::max(weight, head.size() + tail.size());
    responses.push_back(r);
    check(r);
  }
  size_t waiting_bytes() const override { return waiting; }
  void drain() {
    waiting = 0;
    world.hub->on_drained(*stream);
  }

  // What the watch must be told next, up to the end of what happened.
  std::vector<const Happened*> expected(const Watch& w) const {
    std::vector<const Happened*> all;
    for (const Happened& h : world.happened)
      if (h.revision >= w.next && in_range(h.key, w.key, w.end) &&
          !(h.deleted ? w.options.no_delete : w.options.no_put))
        all.push_back(&h);
    return all;
  }

  void check(const etcdserverpb::WatchResponse& r) {
    if (r.created() && r.canceled()) return;
    if (r.created()) {
      ASSERT_NE(asked, nullptr);
      asked->created = true;
      asked->next = asked->options.start.value != 0 ? asked->options.start.value : r.header().revision() + 1;
      ASSERT_EQ(r.header().revision(), world.store->current_revision().value);
      watches[r.watch_id()] = *asked;
      return;
    }
    if (r.watch_id() == -1) {  // WAT-17
      for (auto& [id, w] : watches) check_progress(w, r.header().revision());
      ++manual_progress;
      return;
    }
    ASSERT_TRUE(watches.contains(r.watch_id())) << r.watch_id();
    Watch& w = watches[r.watch_id()];
    if (r.canceled()) {
      w.canceled = true;
      w.compacted = r.compact_revision();
      if (w.compacted != 0) {
        EXPECT_EQ(r.header().revision(), 0);  // TRP-16
        EXPECT_GT(w.compacted, w.next);
      }
      return;
    }
    ASSERT_FALSE(w.canceled);
    if (r.events().empty()) {
      check_progress(w, r.header().revision());
      w.progress.push_back(r.header().revision());
      return;
    }
    check_events(w, r);
  }
  void check_progress(const Watch& w, int64_t revision) {
    if (w.canceled) return;
    const auto left = expected(w);
    EXPECT_TRUE(left.empty() || left[0]->revision > revision) << "not told " << left[0]->revision;
    EXPECT_TRUE(w.options.start.value <= revision);  // VD-09
  }
  // WAT-09: the next ones, all of each revision.
  void check_events(Watch& w, const etcdserverpb::WatchResponse& r) {
    const auto wanted = expected(w);
    ASSERT_LE(fragments_seen + static_cast<size_t>(r.events_size()), wanted.size());
    for (int i = 0; i < r.events_size(); ++i) {
      const Happened& h = *wanted[fragments_seen + i];
      EXPECT_EQ(r.events(i).type() == mvccpb::Event::DELETE, h.deleted);
      ASSERT_EQ(r.events(i).kv().SerializeAsString(), h.kv);
      if (w.options.prev_kv) check_previous(h, r.events(i));
      EXPECT_LE(h.revision, r.header().revision());
    }
    w.events += r.events_size();
    if (r.fragment()) {
      EXPECT_TRUE(w.options.fragment);
      fragments_seen += r.events_size();
      ++fragments;
      return;
    }
    const size_t told = fragments_seen + r.events_size();
    fragments_seen = 0;
    const int64_t last = wanted[told - 1]->revision;
    EXPECT_TRUE(told == wanted.size() || wanted[told]->revision > last) << "revision " << last << " is torn";
    w.next = last + 1;
  }
  // WAT-13: nothing, if it is compacted.
  void check_previous(const Happened& h, const mvccpb::Event& event) {
    const Happened* previous = nullptr;
    for (const Happened& other : world.happened)
      if (other.key == h.key && other.revision < h.revision) previous = &other;
    if (previous == nullptr || previous->deleted || h.created) {
      EXPECT_FALSE(event.has_prev_kv());
    } else if (event.has_prev_kv()) {
      EXPECT_EQ(event.prev_kv().SerializeAsString(), previous->kv);
    } else {
      EXPECT_GT(world.store->compacted_revision().value, h.revision - 1);
    }
  }
  void expect_complete() {
    for (auto& [id, w] : watches) {
      if (w.canceled) continue;
      EXPECT_TRUE(expected(w).empty()) << "watch " << id << " misses " << expected(w)[0]->revision;
    }
  }

  WatchWorld& world;
  size_t weight;
  WatchHub::Stream* stream;
  Watch* asked = nullptr;
  std::map<int64_t, Watch> watches;
  std::vector<etcdserverpb::WatchResponse> responses;
  size_t waiting = 0;
  size_t fragments_seen = 0;
  size_t fragments = 0;
  size_t manual_progress = 0;
};

}  // namespace holdfast::mvcc
