// What the log and the hand-over between threads cost: save() without the disk, save() with fdatasync, post().
//   wal-bench --benchmark_filter=... ; WAL_BENCH_DIR names the folder for the runs with a real disk (default /tmp).
#include <benchmark/benchmark.h>

#include <atomic>
#include <cstdlib>
#include <memory>
#include <string>
#include <vector>

#include "env/fault_points.h"
#include "fmt/format.h"
#include "os/posix_file_system.h"
#include "os/system_clock.h"
#include "os/thread_executor.h"
#include "wal/wal.h"

namespace holdfast {
namespace {

constexpr size_t kEntryBytes = 200;

// Takes the bytes and forgets them: what is left is our own work.
class VoidFile : public env::File {
 public:
  absl::StatusOr<size_t> read_at(uint64_t, char*, size_t) override { return size_t{0}; }
  absl::Status write_at(uint64_t, std::string_view data) override {
    benchmark::DoNotOptimize(data.data());
    return absl::OkStatus();
  }
  absl::StatusOr<uint64_t> size() override { return uint64_t{0}; }
  absl::Status truncate(uint64_t) override { return absl::OkStatus(); }
  absl::Status preallocate(uint64_t) override { return absl::OkStatus(); }
  absl::Status sync() override { return absl::OkStatus(); }
  absl::Status sync_data() override { return absl::OkStatus(); }
  absl::Status try_lock() override { return absl::OkStatus(); }
};

class VoidFiles : public env::FileSystem {
 public:
  absl::StatusOr<std::unique_ptr<env::File>> open(const std::string&, env::OpenMode) override {
    return std::make_unique<VoidFile>();
  }
  absl::Status rename(const std::string&, const std::string&) override { return absl::OkStatus(); }
  absl::Status remove(const std::string&) override { return absl::OkStatus(); }
  absl::Status remove_all(const std::string&) override { return absl::OkStatus(); }
  absl::Status create_directories(const std::string&) override { return absl::OkStatus(); }
  absl::Status sync_directory(const std::string&) override { return absl::OkStatus(); }
  absl::StatusOr<std::vector<std::string>> list(const std::string&) override {
    return std::vector<std::string>{};
  }
  absl::StatusOr<bool> exists(const std::string&) override { return false; }
  absl::StatusOr<bool> is_directory(const std::string&) override { return true; }
};

void save_batches(benchmark::State& run, env::FileSystem& files, const std::string& directory) {
  os::SystemClock clock;
  NullLogger logger;
  env::NullMetrics metrics;
  env::NoFaults faults;
  const wal::World world{files, clock, logger, metrics, faults};
  auto wal = wal::Wal::create(world, {}, directory, std::string(18, 'm'));
  if (!wal.ok()) {
    run.SkipWithError("cannot create the log");
    return;
  }
  const SharedBytes payload(std::string(kEntryBytes, 'v'));
  std::vector<raft::Entry> batch(static_cast<size_t>(run.range(0)));
  uint64_t index = 0;
  for (auto _ : run) {
    for (raft::Entry& e : batch) e = {Term(2), Index(++index), raft::EntryType::normal, false, payload};
    const absl::Status saved =
        (*wal)->save({Term(2), MemberId(0x8e9e05c52164694d), Index(index - 1)}, batch);
    if (!saved.ok()) {
      run.SkipWithError("save failed");
      return;
    }
  }
  run.SetItemsProcessed(static_cast<int64_t>(index));
  run.counters["per_entry"] = benchmark::Counter(static_cast<double>(index),
                                                benchmark::Counter::kIsRate | benchmark::Counter::kInvert);
}

void BM_SaveCpu(benchmark::State& run) {
  VoidFiles files;
  save_batches(run, files, "/void");
}
BENCHMARK(BM_SaveCpu)->Arg(1)->Arg(10)->Arg(100);

void BM_SaveDisk(benchmark::State& run) {
  os::PosixFileSystem files;
  const char* base = std::getenv("WAL_BENCH_DIR");
  std::string pattern = std::string(base ? base : "/tmp") + "/wal-bench-XXXXXX";
  if (::mkdtemp(pattern.data()) == nullptr) {
    run.SkipWithError("no folder");
    return;
  }
  save_batches(run, files, pattern + "/wal");
  files.remove_all(pattern).IgnoreError();
}
BENCHMARK(BM_SaveDisk)->Arg(1)->Arg(10)->Arg(100)->UseRealTime()->MinTime(0.3);

// The executor is kept busy, so that no post has to wake it: the price of posting alone.
void BM_PostUncontended(benchmark::State& run) {
  os::SystemClock clock;
  os::ThreadExecutor executor("bench", clock);
  std::atomic<bool> go{false};
  constexpr int kBatch = 10'000;
  std::atomic<int> ran{0};
  for (auto _ : run) {
    run.PauseTiming();
    ran = 0;
    go = false;
    std::atomic<bool> blocked{false};
    executor.post([&] {
      blocked = true;
      blocked.notify_one();
      go.wait(false);
    });
    blocked.wait(false);
    run.ResumeTiming();
    for (int i = 0; i < kBatch; ++i) executor.post([&ran] { ran.fetch_add(1, std::memory_order_relaxed); });
    run.PauseTiming();
    go = true;
    go.notify_one();
    std::atomic<bool> done{false};
    executor.post([&] {
      done = true;
      done.notify_one();
    });
    done.wait(false);
    run.ResumeTiming();
  }
  run.SetItemsProcessed(run.iterations() * kBatch);
  run.counters["per_post"] =
      benchmark::Counter(static_cast<double>(run.iterations()) * kBatch,
                         benchmark::Counter::kIsRate | benchmark::Counter::kInvert);
}
BENCHMARK(BM_PostUncontended);

// There and back: a post that wakes a sleeping thread, and the wait for it.
void BM_PostWakeUp(benchmark::State& run) {
  os::SystemClock clock;
  os::ThreadExecutor executor("bench", clock);
  for (auto _ : run) {
    std::atomic<bool> done{false};
    executor.post([&] {
      done = true;
      done.notify_one();
    });
    done.wait(false);
  }
}
BENCHMARK(BM_PostWakeUp)->UseRealTime();

}  // namespace
}  // namespace holdfast

BENCHMARK_MAIN();
