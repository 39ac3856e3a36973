// The store on real threads: readers that check snapshots while the owner writes and compactions
// run. Worth most under ThreadSanitizer.
#include <atomic>
#include <future>
#include <thread>

#include "backend/lmdb_engine.h"
#include "base/errors.h"
#include "base/random.h"
#include "gtest/gtest.h"
#include "mvcc/store.h"
#include "os/posix_file_system.h"
#include "os/system_clock.h"
#include "os/thread_executor.h"
#include "test/backend/temporary_folder.h"
#include "test/backend/test_world.h"

namespace holdfast::mvcc {
namespace {

constexpr int kAccounts = 700;  // more than one index step
constexpr int kTransfers = 4000;
constexpr int kTotal = kAccounts * 100;

std::string account(uint64_t i) { return "account/" + std::to_string(10'000 + i); }

// Money moves between accounts, one transaction a move: every snapshot has the same sum.
int64_t sum_of(ReadTxn& txn, Revision at, int64_t& accounts) {
  int64_t sum = 0;
  accounts = 0;
  auto summary = txn.visit("account/", "account0", {.revision = at}, [&](const KeyValueView& pair) {
    sum += std::stoll(std::string(pair.value));
    ++accounts;
  });
  return summary.ok() ? sum : -1;
}

TEST(StoreThreads, EverySnapshotIsWhole) {
  backend::TemporaryFolder folder;
  os::PosixFileSystem files;
  os::SystemClock clock;
  ThrowingProcess process;
  env::NullMetrics metrics;
  NullLogger log;
  NoLeases leases;
  os::ThreadExecutor owner("owner", clock), committer("committer", clock),
      background("background", clock);
  auto engine = backend::open_lmdb_engine(
      {.path = folder.path() + "/db", .sync = backend::Sync::no}, files, process, log);
  ASSERT_TRUE(engine.ok());
  std::unique_ptr<backend::Backend> backend;
  std::unique_ptr<Store> store;
  auto on_owner = [&](std::function<void()> f) {
    std::promise<void> done;
    owner.post([&] {
      f();
      done.set_value();
    });
    done.get_future().wait();
  };
  on_owner([&] {
    backend = std::make_unique<backend::Backend>(
        *std::move(engine),
        backend::BackendOptions{.batch_interval = std::chrono::milliseconds(2), .batch_limit = 200},
        backend::BackendEnvironment{owner, committer, process, metrics, log});
    auto opened = Store::open(*backend, leases,
                              {.compaction_batch_limit = 300, .compaction_sleep_interval = {}},
                              {background, metrics, log});
    ASSERT_TRUE(opened.ok());
    store = *std::move(opened);
    WriteTxn txn = store->write();
    for (uint64_t i = 0; i < kAccounts; ++i) txn.put(account(i), "100", LeaseId(0));
  });

  std::atomic<bool> over = false;
  std::atomic<int64_t> problems = 0, reads = 0, compacted_reads = 0, hashes = 0;
  std::vector<std::thread> readers;
  for (int t = 0; t < 3; ++t) {
    readers.emplace_back([&, t] {
      Random random(static_cast<uint64_t>(t) + 1);
      while (!over) {
        ReadTxn txn = store->read();
        int64_t accounts = 0;
        const int64_t sum = sum_of(txn, Revision(0), accounts);
        if (sum != kTotal || accounts != kAccounts) ++problems;
        const int64_t oldest = std::max<int64_t>(txn.compacted_revision().value, 2);
        const int64_t past = random.between(oldest, txn.revision().value);
        if (sum_of(txn, Revision(past), accounts) != kTotal) ++problems;
        if (txn.compacted_revision().value > 2) {
          auto gone =
              txn.range("account/", "account0",
                        {.revision = txn.compacted_revision() - 1, .kind = RangeKind::count_only});
          if (!is(gone.status(), EtcdError::compacted)) ++problems;
          ++compacted_reads;
        }
        if (!txn.get(account(random.below(kAccounts)))) ++problems;
        ++reads;
      }
    });
  }
  readers.emplace_back([&] {
    while (!over) {
      const Revision at = store->current_revision();
      auto first = store->hash_kv(at);
      auto second = store->hash_kv(at);
      if (first.ok() && second.ok() && first->compact_revision == second->compact_revision &&
          first->hash != second->hash)
        ++problems;
      int64_t next = at.value - 50;
      auto status = store->visit_changes(at - 50, at, [&](const Change& change) {
        if (change.revision.main < next) ++problems;
        next = change.revision.main;
        return true;
      });
      if (!status.ok() && !is(status, EtcdError::compacted)) ++problems;
      ++hashes;
    }
  });

  Random random(99);
  std::vector<int> balance(kAccounts, 100);
  std::atomic<int> compactions = 0;
  for (int done = 0; done < kTransfers;) {
    on_owner([&] {
      for (int i = 0; i < 20; ++i, ++done) {
        WriteTxn txn = store->write();
        const uint64_t a = random.below(kAccounts), b = random.below(kAccounts);
        --balance[a];
        ++balance[b];
        if (random.chance(1, 10)) txn.delete_range(account(a), {});
        txn.put(account(a), std::to_string(balance[a]), LeaseId(0));
        if (a != b) txn.put(account(b), std::to_string(balance[b]), LeaseId(0));
        txn.end();
        backend->entry_boundary();
      }
      if (done % 500 == 0) {
        const Revision at = store->current_revision() - 100;
        if (store->compact(at, [&] { ++compactions; }).ok()) backend->entry_boundary();
      }
    });
  }
  while (compactions < kTransfers / 500) on_owner([] {});
  over = true;
  for (std::thread& reader : readers) reader.join();
  EXPECT_EQ(problems, 0);
  EXPECT_GT(reads, 0);
  EXPECT_GT(hashes, 0);
  std::promise<void> closed;
  on_owner([&] {
    store.reset();
    backend->close([&] { closed.set_value(); });
  });
  closed.get_future().wait();
  on_owner([&] { backend.reset(); });
}

}  // namespace
}  // namespace holdfast::mvcc
