#include "mvcc/store.h"

#include <thread>

#include "backend/lmdb_engine.h"
#include "base/crc32c.h"
#include "base/errors.h"
#include "os/posix_file_system.h"
#include "test/backend/temporary_folder.h"
#include "test/mvcc/store_world.h"

namespace holdfast::mvcc {
namespace {

using std::chrono::milliseconds;

const std::string kFromKey(1, '\0');

class StoreTest : public testing::Test, public StoreWorld {
 protected:
  void SetUp() override { open(); }
};

TEST_F(StoreTest, NewStore) {  // BKT-12
  EXPECT_EQ(store->current_revision(), Revision(1));
  EXPECT_EQ(store->compacted_revision(), Revision(-1));
  EXPECT_EQ(text("a"), "#0@1");
}

TEST_F(StoreTest, PutsCountRevisionsAndVersions) {  // KV-20, TRP-14
  EXPECT_EQ(put("k", "a"), Revision(2));
  EXPECT_EQ(put("k", "a"), Revision(3));
  EXPECT_EQ(text("k"), "k=a(2,3,2) #1@3");
  EXPECT_EQ(erase("k"), 1);
  EXPECT_EQ(text("k"), "#0@4");
  put("k", "b");
  EXPECT_EQ(text("k"), "k=b(5,5,1) #1@5");
}

TEST_F(StoreTest, DeletingNothingChangesNothing) {  // KV-26, TRP-14
  put("k", "a");
  EXPECT_EQ(erase("x"), 0);
  EXPECT_EQ(erase("l", "z"), 0);
  EXPECT_EQ(store->current_revision(), Revision(2));
}

TEST_F(StoreTest, Ranges) {  // KV-02, KV-03
  for (const char* key : {"b", "a", "c", "d", "bb"}) put(key, key);
  auto keys = [&](std::string_view key, std::string_view end) {
    ReadTxn txn = store->read();
    std::string found;
    auto result = txn.range(key, end, {});
    for (const auto& kv : result->pairs) found += kv.key + " ";
    return found;
  };
  EXPECT_EQ(keys("b", ""), "b ");
  EXPECT_EQ(keys("b", "c"), "b bb ");
  EXPECT_EQ(keys("b", "d"), "b bb c ");
  EXPECT_EQ(keys("c", kFromKey), "c d ");
  EXPECT_EQ(keys(kFromKey, kFromKey), "a b bb c d ");
  EXPECT_EQ(keys("c", "b"), "");
  EXPECT_EQ(keys("c", "c"), "");
  EXPECT_EQ(keys("e", kFromKey), "");
}

TEST_F(StoreTest, LimitAndCount) {  // KV-04, KV-05, TRP-05
  for (const char* key : {"a", "b", "c", "d"}) put(key, "v");
  EXPECT_EQ(text("a", kFromKey, {.limit = 2}), "a=v(2,2,1) b=v(3,3,1) #4@5");
  EXPECT_EQ(text("a", kFromKey, {.limit = 2, .count = Count::up_to_limit}),
            "a=v(2,2,1) b=v(3,3,1) #2@5");
  EXPECT_EQ(text("a", kFromKey, {.limit = -1}).substr(0, 10), "a=v(2,2,1)");
  EXPECT_EQ(text("a", kFromKey, {.limit = 1, .kind = RangeKind::count_only}), "#4@5");  // KV-06
  EXPECT_EQ(text("a", "", {.kind = RangeKind::count_only}), "#1@5");
}

TEST_F(StoreTest, KeysOnlyComesFromTheIndex) {  // KV-07, TRP-06, VD-19
  put("a", "v", 7);
  put("b", "w", 8);
  put("b", "w", 8);
  ReadTxn txn = store->read();
  auto result = txn.range("a", "c", {.kind = RangeKind::keys_only});
  ASSERT_EQ(result->pairs.size(), 2u);
  EXPECT_EQ(
      result->pairs[1],
      (KeyValue{
          .key = "b", .create_revision = Revision(3), .mod_revision = Revision(4), .version = 2}));
  EXPECT_EQ(result->pairs[0].lease, LeaseId(0));
  EXPECT_EQ(text("a", "", {.kind = RangeKind::keys_only}), "a=(2,2,1) #1@4");
}

TEST_F(StoreTest, ReadsInThePast) {  // KV-08, KV-09
  put("a", "1");
  put("a", "2");
  erase("a");
  EXPECT_EQ(text("a", "", {.revision = Revision(2)}), "a=1(2,2,1) #1@4");
  EXPECT_EQ(text("a", "", {.revision = Revision(3)}), "a=2(2,3,2) #1@4");
  EXPECT_EQ(text("a", "", {.revision = Revision(1)}), "#0@4");
  EXPECT_EQ(text("a", "", {.revision = Revision(-5)}), "#0@4");
  EXPECT_EQ(text("a", "", {.revision = Revision(5)}),
            "etcdserver: mvcc: required revision is a future revision");
}

TEST_F(StoreTest, OldReadsFailAtOnceAfterCompact) {  // KV-28, TRP-07
  put("a", "1");
  put("a", "2");
  put("a", "3");
  ReadTxn before = store->read();
  EXPECT_TRUE(store->compact(Revision(3), {}).ok());
  EXPECT_EQ(store->compacted_revision(), Revision(3));
  EXPECT_EQ(text("a", "", {.revision = Revision(2)}),
            "etcdserver: mvcc: required revision has been compacted");
  EXPECT_EQ(text("a", "", {.revision = Revision(3)}), "a=2(2,3,2) #1@4");
  // A read that began before is a snapshot: it isn't pulled away from under.
  pass(milliseconds(1000));
  EXPECT_EQ(StoreWorld::text(before, "a", "", {.revision = Revision(2)}), "a=1(2,2,1) #1@4");
  EXPECT_EQ(records(), 3u);
}

TEST_F(StoreTest, CompactionWaitsForOlderReaders) {
  put("a", "1");
  put("a", "2");
  bool done = false;
  {
    ReadTxn reader = store->read();
    EXPECT_TRUE(store->compact(Revision(3), [&] { done = true; }).ok());
    pass(milliseconds(100));
    EXPECT_FALSE(done);
  }
  pass(milliseconds(100));
  EXPECT_TRUE(done);
  EXPECT_EQ(records(), 1u);
}

TEST_F(StoreTest, CompactErrors) {  // KV-27
  put("a", "1");
  EXPECT_TRUE(is(store->compact(Revision(3), {}), EtcdError::future_rev));
  EXPECT_TRUE(is(store->compact(Revision(-1), {}), EtcdError::compacted));
  EXPECT_TRUE(compact(0).ok());
  EXPECT_TRUE(is(compact(0), EtcdError::compacted));
  EXPECT_TRUE(compact(2).ok());
  EXPECT_TRUE(is(compact(2), EtcdError::compacted));
  EXPECT_TRUE(is(compact(1), EtcdError::compacted));
}

TEST_F(StoreTest, BarrierWaitsForTheCompactionBefore) {  // KV-29, TRP-23
  for (int i = 0; i < 5000; ++i) put("a", "v");
  std::string order;
  EXPECT_TRUE(store->compact(Revision(5001), [&] { order += "first "; }).ok());
  EXPECT_TRUE(
      is(store->compact(Revision(4000), [&] { order += "barrier "; }), EtcdError::compacted));
  run_ready();
  EXPECT_EQ(order, "");
  pass(milliseconds(200));
  EXPECT_EQ(order, "first barrier ");
  EXPECT_EQ(records(), 1u);
}

TEST_F(StoreTest, CompactionKeepsWhatIsNeeded) {  // KV-30, VD-07
  put("a", "1");                                  // 2
  put("a", "2");                                  // 3
  put("b", "1");                                  // 4
  erase("b");                                     // 5
  put("c", "1");                                  // 6
  erase("c");                                     // 7
  put("d", "1");                                  // 8
  EXPECT_TRUE(compact(7).ok());
  std::vector<int64_t> left;
  for (const auto& [key, value] : image->state->buckets[0]) {
    RevisionKey revision;
    ASSERT_TRUE(backend::parse_revision_key(key, revision));
    left.push_back(revision.revision.main);
  }
  EXPECT_EQ(left, (std::vector<int64_t>{3, 7, 8}));  // the tombstone at 7 stays
  EXPECT_TRUE(compact(8).ok());
  EXPECT_EQ(records(), 2u);
  EXPECT_EQ(text(kFromKey, kFromKey), "a=2(2,3,2) d=1(8,8,1) #2@8");
}

// TXN-04 lets a delete of "from key on" and a put of a later key through.
TEST_F(StoreTest, CompactionWhereAKeyWasDeletedAndPutAgain) {
  put("b", "1");
  {
    WriteTxn txn = store->write();
    txn.delete_range("a", kFromKey);
    txn.put("b", "2", LeaseId(0));
  }
  put("x", "1");
  EXPECT_TRUE(compact(3).ok());
  EXPECT_EQ(text("b", "", {.revision = Revision(3)}), "b=2(3,3,1) #1@4");
  close();
  open();
  EXPECT_EQ(text("b"), "b=2(3,3,1) #1@4");
  EXPECT_TRUE(compact(4).ok());
  EXPECT_EQ(text("b"), "b=2(3,3,1) #1@4");
  EXPECT_EQ(records(), 2u);
}

TEST_F(StoreTest, CompactionGoesInSteps) {  // KV-28
  options.compaction_batch_limit = 100;
  close();
  open();
  for (int i = 0; i < 1000; ++i) put("k" + std::to_string(i % 10), "v");
  backend->force_commit({});
  run_ready();
  const uint64_t commits = image->commits;
  bool done = false;
  EXPECT_TRUE(store->compact(Revision(1001), [&] { done = true; }).ok());
  backend->entry_boundary();
  run_ready();
  EXPECT_EQ(records(), 900u);
  pass(milliseconds(10));
  EXPECT_EQ(records(), 800u);
  pass(milliseconds(500));
  EXPECT_TRUE(done);
  EXPECT_EQ(records(), 10u);
  EXPECT_EQ(image->commits, commits + 1 + 11);  // the wish, ten steps, the end
}

TEST_F(StoreTest, InterruptedCompactionGoesOn) {  // BKT-11, TRP-56
  options.compaction_batch_limit = 100;
  close();
  open();
  for (int i = 0; i < 1000; ++i) put("k", "v");
  erase("k");  // 1002
  EXPECT_TRUE(store->compact(Revision(1002), {}).ok());
  backend->entry_boundary();
  pass(milliseconds(25));
  const size_t left = records();
  EXPECT_GT(left, 1u);
  EXPECT_LT(left, 1001u);
  close();
  open();
  EXPECT_EQ(store->compacted_revision(), Revision(1002));
  EXPECT_EQ(store->current_revision(), Revision(1002));
  pass(milliseconds(1000));
  EXPECT_EQ(records(), 1u);
  EXPECT_TRUE(store->compaction_hashes().empty());  // of half of it
  EXPECT_EQ(put("k", "again"), Revision(1003));
}

TEST_F(StoreTest, RevisionNeverGoesBack) {  // BKT-11: nothing but the wish survived
  put("k", "v");
  erase("k");
  put("k", "v");
  erase("k");  // 5
  EXPECT_TRUE(compact(5).ok());
  put("x", "v");  // 6
  erase("x");     // 7
  EXPECT_TRUE(store->compact(Revision(7), {}).ok());
  backend->entry_boundary();
  run_ready();
  image->state->buckets[0].clear();
  close();
  open();
  EXPECT_EQ(store->current_revision(), Revision(7));
}

TEST_F(StoreTest, TxnSeesItsOwnChanges) {  // TXN-11
  put("a", "1");
  put("b", "1");
  WriteTxn txn = store->write();
  EXPECT_EQ(txn.revision(), Revision(2) + 1);
  EXPECT_EQ(StoreWorld::text(txn, "a", "z", {}), "a=1(2,2,1) b=1(3,3,1) #2@3");
  EXPECT_EQ(txn.put("a", "2", LeaseId(0)), Revision(4));
  EXPECT_EQ(txn.delete_range("b", "c"), 1);
  EXPECT_EQ(txn.put("c", "2", LeaseId(0)), Revision(4));
  EXPECT_EQ(txn.delete_range("b", "c"), 0);
  EXPECT_EQ(StoreWorld::text(txn, "a", "z", {}), "a=2(2,4,2) c=2(4,4,1) #2@4");
  EXPECT_EQ(StoreWorld::text(txn, "a", "z", {.revision = Revision(3)}),
            "a=1(2,2,1) b=1(3,3,1) #2@4");
  EXPECT_TRUE(is(txn.range("a", "", {.revision = Revision(5)}).status(), EtcdError::future_rev));
  // Nobody else does, before the end.
  EXPECT_EQ(text("a", "z"), "a=1(2,2,1) b=1(3,3,1) #2@3");
  EXPECT_EQ(txn.result_revision(), Revision(4));
  txn.end();
  EXPECT_EQ(text("a", "z"), "a=2(2,4,2) c=2(4,4,1) #2@4");
}

TEST_F(StoreTest, DeletePutDeleteOfOneKeyInOneTxn) {
  put("k", "1");
  {
    WriteTxn txn = store->write();
    txn.delete_range("k", "");
    txn.put("k", "2", LeaseId(0));
    txn.put("k", "3", LeaseId(0));
    EXPECT_EQ(StoreWorld::text(txn, "k", "", {}), "k=3(3,3,2) #1@3");
  }
  EXPECT_EQ(text("k"), "k=3(3,3,2) #1@3");
  EXPECT_EQ(text("k", "", {.revision = Revision(2)}), "k=1(2,2,1) #1@3");
}

TEST_F(StoreTest, ChangesTellAWatcherEverything) {
  put("a", "1", 5);
  WriteTxn txn = store->write();
  txn.put("a", "2", LeaseId(6));
  txn.delete_range("a", "b");
  txn.put("b", "x", LeaseId(0));
  txn.end();
  const auto& changes = txn.changes();
  ASSERT_EQ(changes.size(), 3u);
  EXPECT_EQ(changes[0].pair.copy(), (KeyValue{"a", "2", Revision(2), Revision(3), 2, LeaseId(6)}));
  EXPECT_EQ(changes[0].pair.encoded, encode(changes[0].pair));
  EXPECT_TRUE(changes[1].deleted);
  EXPECT_EQ(changes[1].pair.copy(), (KeyValue{"a", "", Revision(0), Revision(3), 0, LeaseId(0)}));
  EXPECT_EQ(changes[2].revision, (RevisionPair{3, 2}));
  EXPECT_FALSE(changes[2].deleted);
  // And one that comes later reads the same.
  std::vector<std::pair<KeyValue, bool>> read;
  auto status = store->visit_changes(Revision(3), Revision(99), [&](const Change& change) {
    read.emplace_back(change.pair.copy(), change.deleted);
    return true;
  });
  EXPECT_TRUE(status.ok());
  ASSERT_EQ(read.size(), 3u);
  for (size_t i = 0; i < 3; ++i) {
    EXPECT_EQ(read[i].first, changes[i].pair.copy());
    EXPECT_EQ(read[i].second, changes[i].deleted);
  }
  EXPECT_TRUE(compact(3).ok());
  auto none = [](const Change&) { return false; };
  EXPECT_TRUE(is(store->visit_changes(Revision(2), Revision(9), none), EtcdError::compacted));
  EXPECT_TRUE(store->visit_changes(Revision(3), Revision(9), none).ok());
}

TEST_F(StoreTest, Leases) {  // KV-21, KV-26
  put("a", "1", 5);
  put("b", "1", 5);
  put("c", "1", 6);
  put("a", "2", 5);  // the same again
  put("b", "2", 7);
  put("c", "2");
  EXPECT_EQ(leases.attached,
            (std::map<std::string, LeaseId, std::less<>>{{"a", LeaseId(5)}, {"b", LeaseId(7)}}));
  erase("a");
  EXPECT_EQ(leases.attached.size(), 1u);
  put("a", "3", 9);
  backend->force_commit({});
  run_ready();
  close();
  open();
  EXPECT_EQ(leases.attached,
            (std::map<std::string, LeaseId, std::less<>>{{"a", LeaseId(9)}, {"b", LeaseId(7)}}));
}

TEST_F(StoreTest, CancelledRead) {  // KV-15
  for (int i = 0; i < 10; ++i) put("k" + std::to_string(i), "v");
  int asked = 0;
  const std::function<bool()> cancelled = [&] { return ++asked > 3; };
  ReadTxn txn = store->read();
  auto result = txn.range("k", "l", {.cancelled = &cancelled});
  EXPECT_EQ(result.status().code(), absl::StatusCode::kCancelled);
  EXPECT_EQ(asked, 4);
}

TEST_F(StoreTest, RangesLongerThanAStep) {
  constexpr int kKeys = kIndexStepKeys * 3 + 17;
  auto name = [](int i) {
    std::string digits = std::to_string(i);
    return "key" + std::string(6 - digits.size(), '0') + digits;
  };
  for (int i = 0; i < kKeys; ++i) put(name(i), "v");
  ReadTxn old = store->read();
  for (RangeKind kind : {RangeKind::pairs, RangeKind::keys_only}) {
    auto result = old.range("key", "kez", {.kind = kind});
    ASSERT_EQ(result->pairs.size(), static_cast<size_t>(kKeys));
    for (int i = 0; i < kKeys; ++i) EXPECT_EQ(result->pairs[static_cast<size_t>(i)].key, name(i));
  }
  EXPECT_EQ(old.range("key", "kez", {.limit = kIndexStepKeys + 1})->pairs.size(),
            static_cast<size_t>(kIndexStepKeys + 1));
  EXPECT_EQ(erase("key", "kez"), kKeys);
  EXPECT_EQ(old.range("key", "kez", {.kind = RangeKind::count_only})->count, kKeys);
  EXPECT_EQ(text("key", "kez"), "#0@" + std::to_string(kKeys + 2));
}

TEST_F(StoreTest, EncodedRecordIsTheStoredOne) {  // BKT-02, BKT-17
  put("k", "v", 3);
  ReadTxn txn = store->read();
  (void)txn.visit("k", "", {},
                  [](const KeyValueView& pair) { EXPECT_EQ(pair.encoded, encode(pair)); });
  backend->force_commit({});
  run_ready();
  const auto& bucket = image->state->buckets[0];
  ASSERT_EQ(bucket.size(), 1u);
  EXPECT_EQ(bucket.begin()->first, std::string_view("\0\0\0\0\0\0\0\2_\0\0\0\0\0\0\0\0", 17));
  EXPECT_EQ(bucket.begin()->second, "\x0a\x01k\x10\x02\x18\x02\x20\x01\x2a\x01v\x30\x03");
}

TEST_F(StoreTest, HashKv) {  // MNT-07, BKT-13
  put("a", "1");
  const std::string record =
      "\x0a\x01"
      "a\x10\x02\x18\x02\x20\x01\x2a\x01"
      "1";
  const uint32_t expected =
      crc32c("key" + std::string("\0\0\0\0\0\0\0\2_\0\0\0\0\0\0\0\0", 17) + record);
  auto hash = store->hash_kv(Revision(0));
  ASSERT_TRUE(hash.ok());
  EXPECT_EQ(*hash, (HashResult{expected, Revision(-1), Revision(2), Revision(2)}));
  put("a", "2");
  EXPECT_EQ(store->hash_kv(Revision(2))->hash, expected);
  EXPECT_TRUE(is(store->hash_kv(Revision(4)).status(), EtcdError::future_rev));
  EXPECT_TRUE(compact(3).ok());
  EXPECT_TRUE(is(store->hash_kv(Revision(2)).status(), EtcdError::compacted));
}

TEST_F(StoreTest, CompactionHashesAreTheHashesBefore) {  // MNT-07; etcd's TestCompactionHash
  auto pick = [](int64_t i) -> std::string {
    if (i % 142 == 30) return "zenek";
    if (i % 71 == 30) return "xavery";
    return std::string("key") + static_cast<char>('a' + i % 7);
  };
  Revision last(-1);
  for (int64_t start = 0; start < 71 * 13; start += 71) {
    for (int64_t i = start; i <= start + 71; ++i) {
      if (i % 67 == 0) {
        erase(pick(i + 83));
      } else {
        put(pick(i), std::to_string(i));
      }
    }
    const Revision at = store->current_revision();
    auto before = store->hash_kv(at);
    ASSERT_TRUE(before.ok());
    EXPECT_EQ(before->compact_revision, last);
    EXPECT_TRUE(compact(at.value).ok());
    const CompactionHash hash = store->compaction_hashes().back();
    EXPECT_EQ(hash, (CompactionHash{before->hash, last, at}));
    EXPECT_EQ(store->hash_kv(at)->hash, before->hash);
    last = at;
  }
  EXPECT_EQ(store->compaction_hashes().size(), kCompactionHashesMax);
}

TEST_F(StoreTest, DamagedRecordIsAnError) {
  put("a", "1");
  backend->force_commit({});
  run_ready();
  image->state->buckets[0].begin()->second = std::string(20, '\0');
  close();
  open_backend(backend::make_memory_engine(image));
  EXPECT_EQ(open_store().code(), absl::StatusCode::kDataLoss);
}

TEST_F(StoreTest, AnEmptyRecordOnlyRaisesTheRevision) {  // UTL-06
  put("a", "1");
  backend->force_commit({});
  run_ready();
  image->state->buckets[0].emplace(backend::RevisionKeyBytes(backend::RevisionPair{1000, 0}).view(), "");
  close();
  open();
  EXPECT_EQ(store->current_revision(), Revision(1000));
  EXPECT_EQ(text(std::string(1, '\0'), std::string(1, '\0')), "a=1(2,2,1) #1@1000");
  EXPECT_TRUE(compact(1000).ok());
  EXPECT_EQ(records(), 2u) << "etcd keeps it too";
  EXPECT_EQ(put("b", "2"), Revision(1001));
  EXPECT_EQ(text(std::string(1, '\0'), std::string(1, '\0')), "a=1(2,2,1) b=2(1001,1001,1) #2@1001");
}

TEST_F(StoreTest, StoreGoesAwayInTheMiddleOfACompaction) {
  options.compaction_batch_limit = 10;
  close();
  open();
  for (int i = 0; i < 1000; ++i) put("k", "v");
  bool done = false;
  EXPECT_TRUE(store->compact(Revision(900), [&] { done = true; }).ok());
  backend->entry_boundary();
  pass(milliseconds(55));
  store.reset();
  pass(milliseconds(1000));
  EXPECT_FALSE(done);
  EXPECT_GT(records(), 500u);
}

TEST(StoreOnLmdb, ComesBack) {
  StoreWorld world;
  backend::TemporaryFolder folder;
  os::PosixFileSystem files;
  for (int round = 0; round < 4; ++round) {
    auto engine =
        backend::open_lmdb_engine({.path = folder.path() + "/db", .sync = backend::Sync::no}, files,
                                  world.process, world.log);
    ASSERT_TRUE(engine.ok()) << engine.status();
    world.open_backend(*std::move(engine));
    ASSERT_TRUE(world.open_store().ok());
    EXPECT_EQ(world.store->current_revision(), Revision(1 + round * 300));
    for (int i = 0; i < 300; ++i) world.put("k" + std::to_string(i), std::to_string(round));
    if (round == 2) {
      EXPECT_TRUE(world.compact(700).ok());
    }
    EXPECT_EQ(world.text("k7"),
              "k7=" + std::to_string(round) + "(9," + std::to_string(9 + round * 300) + "," +
                  std::to_string(round + 1) + ") #1@" + std::to_string(1 + (round + 1) * 300));
    world.backend->force_commit({});
    world.run_ready();
    world.close();
  }
}

}  // namespace
}  // namespace holdfast::mvcc
