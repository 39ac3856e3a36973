// One hub, stepped by hand. Every response is checked against what happened by the client that gets it (watch_world.h).
#include <gtest/gtest.h>

#include "test/mvcc/watch_world.h"

namespace holdfast::mvcc {
namespace {

struct WatchHubTest : testing::Test, WatchWorld {
  WatchOptions at(int64_t start) { return {.start = Revision(start)}; }
};

// WAT-01 WAT-02 WAT-07 WAT-10 WAT-14
TEST_F(WatchHubTest, TellsWhatHappensFromNowOn) {
  put("a", "before");
  settle();
  WatchClient client(*this);
  EXPECT_EQ(client.watch({}, "a"), 0);
  EXPECT_EQ(client.watch({}, "b", "d"), 1);
  EXPECT_EQ(client.watch({}, std::string("\0", 1), kNoEndText), 2);
  put("a", "1");
  put("c", "2");
  erase("c");
  put("d", "3");
  settle();
  client.expect_complete();
  EXPECT_EQ(client.watches[0].events, 1u);
  EXPECT_EQ(client.watches[1].events, 2u);
  EXPECT_EQ(client.watches[2].events, 4u);
  EXPECT_EQ(client.responses[3].header().revision(), 3);  // of the transaction
}

// WAT-09, TRP-18
TEST_F(WatchHubTest, RevisionsStayWhole) {
  WatchClient client(*this);
  client.watch({}, "a", "z");
  client.watch({.no_put = true}, "a", "z");
  client.watch({.no_delete = true}, "b");
  put("b", "0");
  settle();
  apply([](WriteTxn& txn) {
    txn.put("a", "1", LeaseId(0));
    txn.delete_range("b", {});
    txn.put("c", "2", LeaseId(0));
  });
  settle();
  client.expect_complete();
  EXPECT_EQ(client.watches[0].events, 4u);
  EXPECT_EQ(client.watches[1].events, 1u);
  EXPECT_EQ(client.watches[2].events, 1u);
  EXPECT_EQ(client.responses.size(), 3u + 4u);
}

// WAT-10: at most 1000, and the header says the revision of the last one.
TEST_F(WatchHubTest, RevisionsThatWaitTogetherAreToldTogether) {
  WatchClient client(*this);
  client.watch({}, "a");
  client.watch({}, "a", "z");
  put("a", "0");
  put("a", "1");
  put("b", "2");
  settle();
  client.expect_complete();
  ASSERT_EQ(client.responses.size(), 2u + 2u);
  for (size_t i : {2, 3}) {
    const auto& r = client.responses[i];
    EXPECT_EQ(r.events_size(), r.watch_id() == 0 ? 2 : 3);
    EXPECT_EQ(r.header().revision(), r.watch_id() == 0 ? 3 : 4);
  }
  for (int i = 0; i < 2500; ++i) put("a", "x");
  settle();
  client.expect_complete();
  EXPECT_EQ(client.responses.size(), 4u + 6u);
}

// WAT-03 WAT-10 WAT-12 WAT-13
TEST_F(WatchHubTest, StartsInThePastAndInTheFuture) {
  for (int i = 0; i < 3000; ++i) put("k" + std::to_string(i % 7), std::to_string(i));
  erase("k", "l");
  settle();
  WatchClient client(*this);
  client.watch({.start = Revision(1), .prev_kv = true}, "k3");
  client.watch({.start = Revision(2500), .no_put = true}, "k", "l");
  client.watch({.start = Revision(3010)}, "k", "l");
  for (int i = 0; i < 20; ++i) put("k3", "late");
  settle();
  client.expect_complete();
  EXPECT_EQ(client.watches[1].events, 7u);
  EXPECT_EQ(hub->synced_watchers(), 3u);
  for (const auto& r : client.responses) EXPECT_LE(r.events_size(), 1000);
}

// WAT-04 WAT-05 WAT-08 TRP-19
TEST_F(WatchHubTest, IdsAndCancels) {
  WatchClient client(*this);
  EXPECT_EQ(client.watch({.id = 2}, "a"), 2);
  EXPECT_EQ(client.watch({}, "a"), 0);
  EXPECT_EQ(client.watch({}, "a"), 1);
  EXPECT_EQ(client.watch({}, "a"), 3);
  EXPECT_EQ(client.watch({.id = 3}, "a"), -1);
  EXPECT_EQ(client.responses.back().cancel_reason(), "mvcc: duplicate watch ID provided on the WatchStream");
  EXPECT_TRUE(client.responses.back().created());
  EXPECT_TRUE(client.responses.back().canceled());
  EXPECT_EQ(client.watch({}, "b", "b"), -1);
  EXPECT_EQ(client.responses.back().cancel_reason(), "mvcc: watcher range is empty");
  const size_t before = client.responses.size();
  hub->cancel(*client.stream, 77);
  EXPECT_EQ(client.responses.size(), before);
  hub->cancel(*client.stream, 3);
  EXPECT_TRUE(client.watches[3].canceled);
  EXPECT_EQ(client.responses.back().cancel_reason(), "");
  EXPECT_EQ(client.watch({.id = 3}, "a"), 3);
  put("a", "1");
  settle();
  client.expect_complete();
  EXPECT_EQ(hub->watchers(), 4u);
}

// WAT-11 TRP-16, and etcd's issues 18089 and 19179: a delete at the compaction's own revision is told.
TEST_F(WatchHubTest, CompactedStart) {
  for (int i = 0; i < 10; ++i) put("a", std::to_string(i));  // revisions 2..11
  erase("a");                                                // 12
  put("b", "1");
  ASSERT_TRUE(compact(12).ok());
  settle();
  WatchClient client(*this);
  client.watch(at(11), "a");
  client.watch(at(12), "a");
  run_io();
  EXPECT_EQ(client.watches[0].compacted, 12);
  EXPECT_EQ(client.watches[1].events, 1u);
  client.expect_complete();
  // The id is taken until the client has cancelled it, as in etcd.
  EXPECT_EQ(client.watch({.id = 0}, "a"), 2);
  hub->cancel(*client.stream, 0);
  EXPECT_TRUE(client.responses.back().canceled());
  EXPECT_EQ(client.responses.back().compact_revision(), 0);
}

// WAT-18 TRP-21
TEST_F(WatchHubTest, SlowStreamMissesNothingAndHoldsUpNobody) {
  WatchClient slow(*this, kWatchOutboxBytesMax / 3), quick(*this);
  slow.watch({}, "a", "z");
  slow.watch({}, "a");
  quick.watch({}, "a");
  for (int i = 0; i < 50; ++i) {
    put("a", std::to_string(i));
    settle();
  }
  quick.expect_complete();
  const size_t before = slow.responses.size();
  EXPECT_LT(before, 10u);  // nothing is kept for it
  EXPECT_EQ(hub->synced_watchers(), 1u);
  for (int i = 0; i < 20 && hub->synced_watchers() < 3; ++i) {
    slow.drain();
    run_io();
  }
  slow.expect_complete();
  EXPECT_EQ(hub->synced_watchers(), 3u);
}

TEST_F(WatchHubTest, SlowStreamOvertakenByCompaction) {
  WatchClient slow(*this, kWatchOutboxBytesMax);
  slow.watch({}, "a");
  for (int i = 0; i < 10; ++i) put("a", std::to_string(i));
  settle();
  ASSERT_TRUE(compact(11).ok());
  slow.drain();
  run_io();
  EXPECT_TRUE(slow.watches[0].canceled);
  EXPECT_EQ(slow.watches[0].compacted, 11);
}

// WAT-15
TEST_F(WatchHubTest, Fragments) {
  WatchClient client(*this);
  client.watch({.fragment = true}, "k", "l");
  client.watch({}, "k", "l");
  apply([](WriteTxn& txn) {
    for (int i = 0; i < 30; ++i) txn.put("k" + std::to_string(i), std::string(100, 'x'), LeaseId(0));
  });
  settle();
  put("k", std::string(5000, 'x'));  // one event stays one
  settle();
  client.expect_complete();
  EXPECT_EQ(client.fragments, 3u);  // and the last one
  for (const auto& r : client.responses) {
    if (r.watch_id() == 0 && r.events_size() > 1) {
      EXPECT_LT(r.ByteSizeLong(), 1000u);
    }
  }
}

// WAT-16
TEST_F(WatchHubTest, ProgressNotify) {
  WatchClient client(*this);
  client.watch({.progress_notify = true}, "a");
  client.watch({}, "a");
  client.watch({.start = Revision(100), .progress_notify = true}, "a");
  put("b", "1");
  settle();
  pass_io(std::chrono::seconds(10));
  EXPECT_EQ(client.watches[0].progress, (std::vector<int64_t>{2}));
  put("a", "1");
  settle();
  pass_io(std::chrono::seconds(10));  // an event was sent meanwhile
  EXPECT_EQ(client.watches[0].progress.size(), 1u);
  pass_io(std::chrono::seconds(10));
  EXPECT_EQ(client.watches[0].progress, (std::vector<int64_t>{2, 3}));
  EXPECT_TRUE(client.watches[1].progress.empty());
  EXPECT_TRUE(client.watches[2].progress.empty());  // VD-09
}

// WAT-17 TRP-17
TEST_F(WatchHubTest, ManualProgress) {
  WatchClient client(*this), lagging(*this, kWatchOutboxBytesMax), empty(*this);
  hub->request_progress(*empty.stream);
  EXPECT_EQ(empty.responses.size(), 0u);
  client.watch({}, "a");
  put("a", "1");
  // What the store has and the hub hasn't heard of yet is waited for.
  hub->request_progress(*client.stream);
  EXPECT_EQ(client.manual_progress, 0u);
  settle();
  EXPECT_EQ(client.manual_progress, 1u);
  EXPECT_EQ(client.responses.back().header().revision(), 2);
  EXPECT_EQ(client.responses.back().watch_id(), -1);

  lagging.watch({}, "a");
  put("a", "2");
  settle();
  hub->request_progress(*lagging.stream);
  settle();
  EXPECT_EQ(lagging.manual_progress, 0u);  // silently
  client.watch({.start = Revision(50)}, "a");
  hub->request_progress(*client.stream);
  EXPECT_EQ(client.manual_progress, 1u);
}

// WAT-19
TEST_F(WatchHubTest, InstalledSnapshot) {
  WatchClient client(*this), slow(*this, kWatchOutboxBytesMax);
  client.watch({}, "a", "c");
  client.watch(at(8), "a", "c");
  slow.watch({}, "a");
  put("a", "1");
  settle();
  EXPECT_EQ(client.watches[0].events, 1u);
  // These the feed never sees.
  for (int i = 0; i < 4; ++i) apply([](WriteTxn& txn) { txn.put("b", "x", LeaseId(0)); });
  feed->restore(share_store());
  run_io();
  put("a", "2");
  put("a", "3");
  settle();
  client.expect_complete();
  slow.drain();
  run_io();
  slow.drain();
  run_io();
  slow.expect_complete();
}

TEST_F(WatchHubTest, FeedThatOverflowsIsReadFromTheStore) {
  WatchClient client(*this);
  client.watch({}, "a");
  const std::string value(1 << 20, 'v');
  for (int i = 0; i < 40; ++i) {
    put("a", value);
    feed->flush();
  }
  for (int i = 0; i < 200; ++i) {
    run_io();
    client.drain();
  }
  client.expect_complete();
  EXPECT_EQ(client.watches[0].events, 40u);
}

// What readers still hold is not written over, what they let go of is empty again, and large ones are not kept.
TEST(WatchEventsPool, BatchesComeBack) {
  const auto pool = std::make_shared<WatchEventsPool>();
  const auto fill = [](WatchEvents& events, const std::string& key) {
    Change change;
    change.pair.key = key;
    change.revision.main = 7;
    change.deleted = true;
    events.add(change);
  };
  std::shared_ptr<WatchEvents> first = pool->take();
  fill(*first, "a");
  const WatchEvents* const memory = first.get();
  std::shared_ptr<const WatchEvents> reader = first;
  first = nullptr;
  std::shared_ptr<WatchEvents> second = pool->take();
  EXPECT_NE(second.get(), memory);
  EXPECT_EQ(reader->key((*reader)[0]), "a");
  reader = nullptr;
  std::shared_ptr<WatchEvents> third = pool->take();
  EXPECT_EQ(third.get(), memory);
  EXPECT_TRUE(third->empty());
  EXPECT_TRUE(third->revisions().empty());
  fill(*third, "bb");
  EXPECT_EQ(third->key((*third)[0]), "bb");
  EXPECT_EQ(third->revision_of(0), Revision(7));
  fill(*third, std::string(1 << 20, 'x'));
  third = nullptr;
  EXPECT_LT(pool->take()->capacity_bytes(), size_t{1} << 20);
}

TEST_F(WatchHubTest, StreamsComeAndGo) {
  for (int round = 0; round < 3; ++round) {
    WatchClient client(*this);
    client.watch({}, "a");
    client.watch({.progress_notify = true}, "a", "b");
    put("a", "x");
    settle();
    client.expect_complete();
    hub->cancel(*client.stream, 0);
  }
  EXPECT_EQ(hub->watchers(), 0u);
  put("a", "unseen");
  settle();
  pass_io(std::chrono::seconds(100));
  EXPECT_EQ(io.next_timer(), INT64_MAX);
}

}  // namespace
}  // namespace holdfast::mvcc
