// Random histories against the oracle: transactions, deletions, compactions, clean restarts and
// crashes, over both engines. As the member does, a crashed store is given the entries behind its
// consistent index again.
#include <algorithm>

#include "backend/lmdb_engine.h"
#include "base/random.h"
#include "os/posix_file_system.h"
#include "test/backend/temporary_folder.h"
#include "test/mvcc/store_oracle.h"
#include "test/mvcc/store_world.h"

namespace holdfast::mvcc {
namespace {

using std::chrono::milliseconds;

struct OneChange {
  bool erase = false;
  std::string key, end, value;
  LeaseId lease;
};
struct Entry {
  std::vector<OneChange> changes;
  int64_t compact = -1;
};

class Model : public StoreWorld {
 public:
  Model(uint64_t seed, bool on_lmdb) : random_(seed), on_lmdb_(on_lmdb) {
    options.compaction_batch_limit = static_cast<int>(random_.between(1, 40));
    backend_options.batch_limit = random_.between(1, 60);
  }

  void run(int steps) {
    start();
    for (int step = 0; step < steps && !testing::Test::HasFailure(); ++step) {
      const uint64_t what = random_.below(1000);
      if (what < 760) {
        entry(random_entry());
      } else if (what < 850) {
        check_reads();
      } else if (what < 865) {
        if (oracle_.compacted == oracle_.current) continue;
        Entry compaction;
        compaction.compact =
            random_.between(std::max<int64_t>(oracle_.compacted + 1, 0), oracle_.current);
        entry(std::move(compaction));
      } else if (what < 900) {
        settle();
        check_hash();
      } else if (what < 985) {
        pass(milliseconds(random_.between(0, 120)));
      } else {
        restart();
      }
    }
    settle();
    check_reads();
    check_hash();
    close();
  }

 private:
  void start() {
    if (on_lmdb_) {
      auto engine = backend::open_lmdb_engine(
          {.path = folder_.path() + "/db", .sync = backend::Sync::no}, files_, process, log);
      ASSERT_TRUE(engine.ok()) << engine.status();
      open_backend(*std::move(engine));
    } else {
      open_backend(backend::make_memory_engine(image));
    }
    backend->set_commit_hook([this](backend::Backend& b) {
      put_consistent_index(b, {applied_, 1});
    });
    ASSERT_TRUE(open_store().ok());
    backend::ReadView view = backend->view();
    applied_ = read_consistent_index(view).index;
  }

  std::string random_key() {
    return std::string(1, static_cast<char>('a' + random_.below(4))) +
           std::to_string(random_.below(12));
  }
  Entry random_entry() {
    Entry entry;
    for (int64_t i = random_.chance(1, 4) ? random_.between(0, 5) : 1; i > 0; --i) {
      OneChange change;
      change.key = random_key();
      change.erase = random_.chance(1, 4);
      if (change.erase) {
        if (random_.chance(1, 3))
          change.end = random_.chance(1, 4) ? std::string(1, '\0') : random_key();
      } else {
        change.value = std::string(random_.below(40), static_cast<char>('A' + random_.below(26)));
        if (random_.chance(1, 3)) change.lease = LeaseId(random_.between(1, 3));
      }
      entry.changes.push_back(std::move(change));
    }
    return entry;
  }

  void entry(Entry entry) {
    log_entries_.push_back(entry);
    if (entry.compact >= 0) {
      settle();  // the oracle deletes at once
      oracle_.compact(entry.compact);
    } else {
      oracle_.begin();
      for (const OneChange& c : entry.changes) {
        if (c.erase) {
          oracle_.erase(c.key, c.end);
        } else {
          oracle_.put(c.key, c.value, c.lease);
        }
      }
      oracle_.end();
    }
    apply(entry);
    EXPECT_EQ(store->current_revision().value, oracle_.current);
  }
  void apply(const Entry& entry) {
    ++applied_;
    if (entry.compact >= 0) {
      ++compactions_open_;
      const absl::Status status =
          store->compact(Revision(entry.compact), [this] { --compactions_open_; });
      EXPECT_TRUE(status.ok()) << status;
    } else {
      WriteTxn txn = store->write();
      for (const OneChange& c : entry.changes) {
        if (c.erase) {
          txn.delete_range(c.key, c.end);
        } else {
          txn.put(c.key, c.value, c.lease);
        }
      }
    }
    backend->entry_boundary();
  }

  // Until compactions are through.
  void settle() {
    for (int i = 0; i < 1000; ++i) {
      pass(milliseconds(20));
      if (compactions_open_ == 0 && i > 1) break;
    }
    EXPECT_EQ(compactions_open_, 0);
  }

  void restart() {
    if (random_.chance(1, 2)) {
      backend->force_commit({});
      run_ready();
    }
    close();
    compactions_open_ = 0;
    start();
    EXPECT_LE(applied_, log_entries_.size());
    while (applied_ < log_entries_.size()) apply(log_entries_[applied_]);
    pass(milliseconds(5000));  // a compaction that goes on has nobody to tell
    EXPECT_EQ(store->current_revision().value, oracle_.current);
    EXPECT_EQ(store->compacted_revision().value, oracle_.compacted);
    std::map<std::string, LeaseId, std::less<>> leased;
    for (const KeyValue& kv : oracle_.range("\0", std::string(1, '\0'), oracle_.current))
      if (kv.lease) leased[kv.key] = kv.lease;
    EXPECT_EQ(leases.attached, leased);
  }

  void check_reads() {
    ReadTxn txn = store->read();
    for (int i = 0; i < 5; ++i) {
      const std::string key = random_key();
      const std::string end = random_.chance(1, 3)   ? std::string()
                              : random_.chance(1, 3) ? std::string(1, '\0')
                                                     : random_key();
      const int64_t at = random_.between(std::max<int64_t>(oracle_.compacted, 1), oracle_.current);
      const std::vector<KeyValue> expected = oracle_.range(key, end, at);
      auto result = txn.range(key, end, {.revision = Revision(at)});
      ASSERT_TRUE(result.ok());
      EXPECT_EQ(result->pairs, expected);
      EXPECT_EQ(result->count, static_cast<int64_t>(expected.size()));
      const int64_t limit = random_.between(1, 6);
      auto keys = txn.range(
          key, end, {.revision = Revision(at), .limit = limit, .kind = RangeKind::keys_only});
      ASSERT_TRUE(keys.ok());
      EXPECT_EQ(keys->count, static_cast<int64_t>(expected.size()));
      ASSERT_EQ(keys->pairs.size(), std::min<size_t>(static_cast<size_t>(limit), expected.size()));
      for (size_t k = 0; k < keys->pairs.size(); ++k) {
        KeyValue wanted = expected[k];
        wanted.value.clear();
        wanted.lease = LeaseId(0);
        EXPECT_EQ(keys->pairs[k], wanted);
      }
    }
  }

  void check_hash() {
    const int64_t at =
        random_.between(std::max<int64_t>(oracle_.compacted + 1, 1), oracle_.current + 1);
    if (at > oracle_.current) return;
    auto hash = store->hash_kv(Revision(at));
    ASSERT_TRUE(hash.ok()) << hash.status();
    EXPECT_EQ(hash->hash, oracle_.hash(at)) << "at " << at << ", compacted " << oracle_.compacted;
    std::set<RevisionPair> stored;
    backend::ReadView view = backend->view();
    view.scan_revisions({0, 0}, {INT64_MAX, 0}, [&](const RevisionKey& key, std::string_view) {
      stored.insert(key.revision);
      return true;
    });
    EXPECT_EQ(stored, oracle_.stored());
    // What this revision hashes to now is what a compaction there would find.
    if (random_.chance(1, 3)) {
      const uint32_t before = oracle_.hash(at);
      // If nothing is alive at `at`, etcd's two ways differ (an empty list means "all"): so do
      // ours.
      const bool comparable = !oracle_.kept(at, false).empty();
      const Revision previous = store->compacted_revision();
      Entry compaction;
      compaction.compact = at;
      entry(std::move(compaction));
      settle();
      const std::vector<CompactionHash> hashes = store->compaction_hashes();
      if (comparable && !hashes.empty() && hashes.back().revision.value == at) {
        EXPECT_EQ(hashes.back(), (CompactionHash{before, previous, Revision(at)}));
      }
    }
  }

  Random random_;
  const bool on_lmdb_;
  backend::TemporaryFolder folder_;
  os::PosixFileSystem files_;
  StoreOracle oracle_;
  std::vector<Entry> log_entries_;
  uint64_t applied_ = 0;
  int compactions_open_ = 0;
};

TEST(StoreModel, InMemory) {
  for (uint64_t seed = 1; seed <= 40; ++seed) {
    Model(seed, false).run(1500);
    if (testing::Test::HasFailure()) FAIL() << "seed " << seed;
  }
}

TEST(StoreModel, OnLmdb) {
  for (uint64_t seed = 101; seed <= 106; ++seed) {
    Model(seed, true).run(1000);
    if (testing::Test::HasFailure()) FAIL() << "seed " << seed;
  }
}

}  // namespace
}  // namespace holdfast::mvcc
