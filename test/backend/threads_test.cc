// The backend on real threads: one writer, a committer, many readers. Worth most under
// ThreadSanitizer.
#include <atomic>
#include <cstring>
#include <future>
#include <thread>

#include "backend/backend.h"
#include "backend/lmdb_engine.h"
#include "base/random.h"
#include "gtest/gtest.h"
#include "os/posix_file_system.h"
#include "os/system_clock.h"
#include "os/thread_executor.h"
#include "test/backend/temporary_folder.h"
#include "test/backend/test_world.h"

namespace holdfast::backend {
namespace {

TEST(BackendThreads, APublishedRevisionIsAlwaysFound) {
  TemporaryFolder folder;
  os::PosixFileSystem files;
  os::SystemClock clock;
  ThrowingProcess process;
  env::NullMetrics metrics;
  NullLogger log;
  os::ThreadExecutor owner("owner", clock), committer("committer", clock);
  auto engine =
      open_lmdb_engine({.path = folder.path() + "/db", .sync = Sync::no}, files, process, log);
  ASSERT_TRUE(engine.ok()) << engine.status();
  std::unique_ptr<Backend> backend;
  std::atomic<int64_t> published = 1;
  std::atomic<int64_t> problems = 0;
  constexpr int64_t kRevisions = 20'000;

  auto run_on_owner = [&](std::function<void()> f) {
    std::promise<void> done;
    owner.post([&] {
      f();
      done.set_value();
    });
    done.get_future().wait();
  };
  run_on_owner([&] {
    backend = std::make_unique<Backend>(
        *std::move(engine),
        BackendOptions{.batch_interval = std::chrono::milliseconds(1), .batch_limit = 300},
        BackendEnvironment{owner, committer, process, metrics, log});
  });
  std::vector<std::thread> readers;
  for (int t = 0; t < 4; ++t) {
    readers.emplace_back([&, t] {
      Random random(static_cast<uint64_t>(t) + 1);
      int64_t last = 0;
      while (last < kRevisions) {
        last = published.load(std::memory_order_acquire);
        if (last < 2) continue;
        const int64_t wanted = t % 2 == 0 ? last : random.between(2, last);
        ReadView view = backend->view();
        auto value = view.get(RevisionPair{wanted, 0});
        if (!value || *value != std::to_string(wanted)) ++problems;
        if (random.chance(1, 50)) {
          int64_t next = std::max<int64_t>(2, last - 1000);
          view.scan_revisions({next, 0}, {last + 1, 0},
                              [&](const RevisionKey& key, std::string_view) {
                                if (key.revision.main != next++) ++problems;
                                return true;
                              });
          if (next != last + 1) ++problems;
          if (!view.get(Bucket::meta, "last")) ++problems;
        }
      }
    });
  }
  std::atomic<int64_t> defragmentations = 0;
  for (int64_t main = 2; main <= kRevisions;) {
    run_on_owner([&] {
      for (int i = 0; i < 50 && main <= kRevisions; ++i, ++main) {
        const std::string value = std::to_string(main);
        std::memcpy(backend->append({{main, 0}}, value.size()), value.data(), value.size());
        backend->put(Bucket::meta, "last", value);
        published.store(main, std::memory_order_release);
        backend->entry_boundary();
      }
    });
    if (main % 5000 < 50)
      backend->defragment([&](absl::Status status) {
        if (!status.ok()) ++problems;
        ++defragmentations;
      });
  }
  for (std::thread& reader : readers) reader.join();
  EXPECT_EQ(problems, 0);
  std::promise<void> closed;
  owner.post([&] { backend->close([&] { closed.set_value(); }); });
  closed.get_future().wait();
  EXPECT_GT(defragmentations, 0);
  // How many batches became one commit is the scheduler's business.
  EXPECT_GT(backend->commits(), 1u);
  run_on_owner([&] { backend.reset(); });
}

}  // namespace
}  // namespace holdfast::backend
