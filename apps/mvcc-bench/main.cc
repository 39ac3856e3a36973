// How fast the store is by itself: CPU per put on the apply and the commit thread, at a given
// number of keys; point reads; restore time; memory per key.
//
//   mvcc-bench put KEYS PUTS [FOLDER]      fill KEYS keys, then PUTS puts to random ones
//   mvcc-bench read KEYS READS [FOLDER]    random point reads
//   mvcc-bench fill KEYS [FOLDER]          64-byte keys, 256-byte values; keeps the folder for
//   mvcc-bench reopen KEYS [FOLDER]        time to open it again, and memory
#include <time.h>

#include <array>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <functional>
#include <future>

#include "backend/lmdb_engine.h"
#include "base/check.h"
#include "base/random.h"
#include "env/metrics.h"
#include "fmt/format.h"
#include "mvcc/store.h"
#include "os/posix_file_system.h"
#include "os/process_exit.h"
#include "os/system_clock.h"
#include "os/thread_executor.h"

namespace holdfast {
namespace {

double thread_cpu_seconds() {
  timespec t{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
  return static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_nsec) * 1e-9;
}

// In MiB, as the kernel counts: all, anonymous memory, pages of files.
std::string memory() {
  std::ifstream status("/proc/self/status");
  std::string text;
  for (std::string line; std::getline(status, line);) {
    for (const char* name : {"VmRSS:", "RssAnon:", "RssFile:"})
      if (line.rfind(name, 0) == 0)
        text += fmt::format("{} {} MiB  ", name, std::atoll(line.c_str() + 8) / 1024);
  }
  return text;
}

struct Threads {
  os::SystemClock clock;
  os::ThreadExecutor owner{"owner", clock};
  os::ThreadExecutor committer{"committer", clock};
  os::ThreadExecutor background{"background", clock};

  template <class F>
  static void on(os::ThreadExecutor& executor, F f) {
    std::promise<void> done;
    executor.post([&] {
      f();
      done.set_value();
    });
    done.get_future().wait();
  }
  double now() { return static_cast<double>(clock.now().nanoseconds) * 1e-9; }
  static double cpu(os::ThreadExecutor& executor) {
    double seconds = 0;
    on(executor, [&] { seconds = thread_cpu_seconds(); });
    return seconds;
  }
};

class Bench {
 public:
  explicit Bench(std::string folder) : folder_(std::move(folder)) {
    std::filesystem::create_directories(folder_);
  }

  double open() {
    const double begin = threads_.now();
    Threads::on(threads_.owner, [&] {
      auto engine = backend::open_lmdb_engine({.path = folder_ + "/db"}, files_, process_, log_);
      CHECK(engine.ok(), "{}", engine.status().ToString());
      backend_ = std::make_unique<backend::Backend>(
          *std::move(engine), backend::BackendOptions{},
          backend::BackendEnvironment{threads_.owner, threads_.committer, process_, metrics_,
                                      log_});
      auto store = mvcc::Store::open(*backend_, leases_, {}, {threads_.background, metrics_, log_});
      CHECK(store.ok());
      store_ = *std::move(store);
    });
    return threads_.now() - begin;
  }
  void close() {
    std::promise<void> closed;
    Threads::on(threads_.owner, [&] {
      store_.reset();
      backend_->close([&] { closed.set_value(); });
    });
    closed.get_future().wait();
    Threads::on(threads_.owner, [&] { backend_.reset(); });
  }

  static std::string key(uint64_t n, size_t bytes) {
    const std::string digits = std::to_string(n);
    return "/registry/bench/" + std::string(bytes - 16 - digits.size(), '0') + digits;
  }
  using KeyOf = std::function<uint64_t(int64_t)>;
  // One entry a put, as apply does it.
  void put(int64_t count, size_t key_bytes, size_t value_bytes, const KeyOf& key_of) {
    const std::string value(value_bytes, 'v');
    int64_t done = 0;
    std::promise<void> finished;
    std::function<void()> run = [&] {
      constexpr int kRowsPerTask = 32;
      std::array<std::string, mvcc::Store::kExpectedMax> keys;
      std::array<std::string_view, mvcc::Store::kExpectedMax> views;
      for (int row = 0; row < kRowsPerTask && done < count; ++row) {
        const size_t puts = std::min<size_t>(keys.size(), static_cast<size_t>(count - done));
        for (size_t i = 0; i < puts; ++i, ++done) views[i] = keys[i] = key(key_of(done), key_bytes);
        store_->expect(views.data(), puts);
        for (size_t i = 0; i < puts; ++i) {
          mvcc::WriteTxn txn = store_->write();
          txn.put(keys[i], value, LeaseId(0));
          txn.end();
          backend_->entry_boundary();
        }
      }
      if (done == count) return backend_->force_commit([&] { finished.set_value(); });
      if (backend_->congested()) return backend_->when_uncongested([&] { run(); });
      threads_.owner.post([&] { run(); });
    };
    threads_.owner.post([&] { run(); });
    finished.get_future().wait();
  }

  void puts(int64_t keys, int64_t count) {
    open();
    put(keys, 32, 128, [](int64_t i) { return static_cast<uint64_t>(i); });
    Random random(1);
    const double owner = Threads::cpu(threads_.owner), committer = Threads::cpu(threads_.committer);
    const double begin = threads_.now();
    put(count, 32, 128, [&](int64_t) { return random.below(static_cast<uint64_t>(keys)); });
    const double wall = threads_.now() - begin;
    const double n = static_cast<double>(count) * 1e-6;
    fmt::print("put: {} keys: {:.0f} k/s, {:.2f} us CPU apply, {:.2f} us CPU commit\n", keys,
               static_cast<double>(count) / wall / 1000, (Threads::cpu(threads_.owner) - owner) / n,
               (Threads::cpu(threads_.committer) - committer) / n);
    fmt::print("  {}\n", memory());
    close();
  }

  void reads(int64_t keys, int64_t count) {
    open();
    put(keys, 32, 128, [](int64_t i) { return static_cast<uint64_t>(i); });
    Random random(1);
    int64_t found = 0;
    const double begin = thread_cpu_seconds();
    for (int64_t i = 0; i < count; ++i) {
      mvcc::ReadTxn txn = store_->read();
      (void)txn.visit(key(random.below(static_cast<uint64_t>(keys)), 32), {}, {},
                      [&](const mvcc::KeyValueView& pair) { found += pair.value.size() == 128; });
    }
    const double took = thread_cpu_seconds() - begin;
    CHECK(found == count);
    fmt::print("read: {} keys: {:.3f} us\n", keys, took / static_cast<double>(count) * 1e6);
    const double range_begin = thread_cpu_seconds();
    mvcc::ReadTxn txn = store_->read();
    int64_t walked = 0;
    (void)txn.visit("/", "0", {}, [&](const mvcc::KeyValueView&) { ++walked; });
    fmt::print("range of all: {:.3f} us a pair\n",
               (thread_cpu_seconds() - range_begin) / static_cast<double>(walked) * 1e6);
    const double view_begin = thread_cpu_seconds();
    for (int64_t i = 0; i < count; ++i) backend::ReadView view = backend_->view();
    fmt::print("view: {:.3f} us\n",
               (thread_cpu_seconds() - view_begin) / static_cast<double>(count) * 1e6);
    close();
  }

  void fill(int64_t keys) {
    open();
    put(keys, 64, 256, [&](int64_t i) { return static_cast<uint64_t>(i * 7919 % keys); });
    fmt::print("after {} puts: {}\n", keys, memory());
    close();
  }
  void reopen() {
    fmt::print("before: {}\n", memory());
    const double seconds = open();
    fmt::print("restore: {:.3f} s at revision {}\n  {}\n", seconds,
               store_->current_revision().value, memory());
    const double begin = threads_.now();
    auto hash = store_->hash_kv(Revision(0));
    fmt::print("hash_kv: {:.3f} s\n", threads_.now() - begin);
    CHECK(hash.ok());
    close();
  }

 private:
  const std::string folder_;
  Threads threads_;
  os::PosixFileSystem files_;
  NullLogger log_;
  os::ProcessExit process_{log_};
  env::NullMetrics metrics_;
  mvcc::NoLeases leases_;
  std::unique_ptr<backend::Backend> backend_;
  std::unique_ptr<mvcc::Store> store_;
};

int run(int argc, char** argv) {
  const std::string what = argc > 1 ? argv[1] : "";
  auto number = [&](int i, int64_t otherwise) {
    return argc > i ? std::atoll(argv[i]) : otherwise;
  };
  auto folder = [&](int i) { return std::string(argc > i ? argv[i] : "/tmp/mvcc-bench"); };
  const std::string path = folder(what == "put" || what == "read" ? 4 : 3);
  if (what != "reopen") std::filesystem::remove_all(path);
  Bench bench(path);
  if (what == "put") {
    bench.puts(number(2, 10'000), number(3, 1'000'000));
  } else if (what == "read") {
    bench.reads(number(2, 1'000'000), number(3, 1'000'000));
  } else if (what == "fill") {
    bench.fill(number(2, 1'000'000));
  } else if (what == "reopen") {
    bench.reopen();
  } else {
    fmt::print(
        stderr,
        "usage: mvcc-bench put KEYS PUTS | read KEYS READS | fill KEYS | reopen KEYS  [FOLDER]\n");
    return 2;
  }
  return 0;
}

}  // namespace
}  // namespace holdfast

int main(int argc, char** argv) { return holdfast::run(argc, argv); }
