// Apply, two hubs on threads of their own and their clients, all at once: for the thread sanitizer, and that nothing is
// lost between threads.
#include <gtest/gtest.h>

#include <atomic>
#include <future>

#include "mvcc/watch_hub.h"
#include "os/system_clock.h"
#include "os/thread_executor.h"
#include "rpc.pb.h"
#include "test/mvcc/store_world.h"

namespace holdfast::mvcc {
namespace {

// Counts the revisions it is told, which must come one after the other; full now and then.
struct Counting : WatchSink {
  void send(std::string head, SharedBytes tail) override {
    etcdserverpb::WatchResponse r;
    ASSERT_TRUE(r.ParseFromString(head + std::string(tail.view())));
    waiting += kWatchOutboxBytesMax / 8;
    for (const auto& event : r.events()) {
      ASSERT_EQ(event.kv().mod_revision(), next);
      ++next;
    }
  }
  size_t waiting_bytes() const override { return waiting; }
  size_t waiting = 0;
  int64_t next = 0;
};

void run_on(env::Executor& executor, Task task) {
  std::promise<void> done;
  executor.post([&] {
    task();
    done.set_value();
  });
  done.get_future().wait();
}

TEST(WatchThreads, NothingIsLostBetweenThem) {
  StoreWorld world;
  world.open();
  auto feed = std::make_shared<WatchFeed>(std::shared_ptr<Store>(world.store.get(), [](Store*) {}), world.metrics);
  os::SystemClock clock;
  os::ThreadExecutor apply("apply", clock);
  constexpr int kHubs = 2, kStreams = 6;
  constexpr int64_t kRevisions = 3000;
  struct Thread {
    std::unique_ptr<os::ThreadExecutor> executor;
    std::shared_ptr<WatchHub> hub;
    std::vector<std::unique_ptr<Counting>> sinks;
    std::vector<WatchHub::Stream*> streams;
  };
  WatchMetrics metrics(world.metrics);
  std::vector<Thread> threads(kHubs);
  for (Thread& t : threads) {
    t.executor = std::make_unique<os::ThreadExecutor>("io", clock);
    t.hub = std::make_shared<WatchHub>(feed, *t.executor, metrics, WatchHub::Options{[](std::string&, Revision) {}});
  }
  std::atomic<int64_t> written{1};
  std::function<void()> write = [&] {
    if (written == kRevisions) return;
    WriteTxn txn = world.store->write();
    txn.put("key", "value", LeaseId(0));
    txn.end();
    feed->publish(txn.result_revision(), txn.changes());
    world.backend->entry_boundary();
    ++written;
    if (written % 7 == 0 || written == kRevisions) feed->flush();
    apply.post([&] { write(); });
  };
  apply.post([&] { write(); });
  // They come while it goes on, from anywhere in the past.
  for (int i = 0; i < kHubs * kStreams; ++i) {
    Thread& t = threads[i % kHubs];
    run_on(*t.executor, [&] {
      t.sinks.push_back(std::make_unique<Counting>());
      Counting& sink = *t.sinks.back();
      t.streams.push_back(t.hub->open(sink, {}));
      sink.next = 1 + written * i / (kHubs * kStreams);
      if (sink.next == 1) sink.next = 2;
      t.hub->create(*t.streams.back(), {.key = "key", .start = Revision(sink.next)});
    });
  }
  bool all = false;
  while (!all) {
    all = written == kRevisions;
    for (Thread& t : threads)
      run_on(*t.executor, [&] {
        for (size_t i = 0; i < t.sinks.size(); ++i) {
          t.sinks[i]->waiting = 0;
          t.hub->on_drained(*t.streams[i]);
          t.hub->request_progress(*t.streams[i]);
          all &= t.sinks[i]->next == kRevisions + 1;
        }
      });
  }
  for (Thread& t : threads) {
    run_on(*t.executor, [&] {
      for (WatchHub::Stream* stream : t.streams) t.hub->close(stream);
      EXPECT_EQ(t.hub->watchers(), 0u);
    });
    t.executor->stop();
    t.hub.reset();
  }
  apply.stop();
  feed->close();
}

}  // namespace
}  // namespace holdfast::mvcc
