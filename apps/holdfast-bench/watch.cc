#include "apps/holdfast-bench/watch.h"

#include <algorithm>
#include <atomic>
#include <cstdio>
#include <future>
#include <memory>
#include <vector>

#include "apps/holdfast-bench/event_check.h"
#include "apps/holdfast-bench/requests.h"
#include "apps/holdfast-bench/unary_pipe.h"
#include "base/errors.h"
#include "base/wire.h"
#include "fmt/format.h"
#include "net/grpc_client.h"
#include "net/io_thread.h"
#include "rpc.pb.h"

namespace holdfast::bench {

namespace {

// Puts wait while more events than this are on their way: what is measured is a server that is busy, not one whose
// watchers fall behind.
constexpr uint64_t kEventsUnderWay = 20'000;
constexpr uint64_t kPutsUnderWay = 500;
// With one, load and server would take turns: all answers come together, and so do the puts that follow them.
constexpr size_t kPutConnections = 4;

// Shared by all threads.
struct Shared {
  const Options& options;
  const env::Clock& clock;
  std::atomic<uint64_t> created{0};
  std::atomic<uint64_t> events{0};
  std::atomic<uint64_t> ended{0};  // watchers whose key was deleted, if that is looked at
  std::atomic<uint64_t> failures{0};
  std::promise<void> all_created;
  std::promise<void> over;
  std::atomic<bool> is_over{false};

  void end() {
    if (!is_over.exchange(true)) over.set_value();
  }
  void fail(const absl::Status& status) { fail(message(status)); }
  void fail(std::string_view what) {
    if (failures.fetch_add(1) == 0) fmt::print(stderr, "holdfast-bench: {}\n", what);
    end();
  }
};

net::GrpcClientOptions client_options(const Options& options) {
  net::GrpcClientOptions client;
  client.address = options.address;
  client.port = options.port;
  return client;
}

class WatchStream : public net::ClientCallEvents {
 public:
  explicit WatchStream(Shared& shared) : shared_(shared) {}

  void on_message(std::string_view bytes) override {
    wire::Reader reader(bytes);
    wire::Field field;
    uint64_t events = 0;
    bool created = false;
    while (reader.next(field)) {
      events += field.number == 11;
      created |= field.number == 3;
    }
    if (created && shared_.created.fetch_add(1) + 1 == shared_.options.watchers) shared_.all_created.set_value();
    if (events == 0) return;
    if (shared_.options.check) check(bytes);
    shared_.events.fetch_add(events, std::memory_order_relaxed);
  }
  void on_finished(const absl::Status& status) override {
    if (!shared_.is_over) shared_.fail(status);
  }
  const EventCheck& checked() const { return check_; }

 private:
  void check(std::string_view response) {
    const uint64_t before = check_.ended();
    if (const auto wrong = check_.note(response)) shared_.fail(*wrong);
    const uint64_t ended = check_.ended() - before;
    if (ended == 0 || !shared_.options.listen) return;
    if (shared_.ended.fetch_add(ended) + ended == shared_.options.watchers) shared_.end();
  }

  Shared& shared_;
  EventCheck check_;
};

// The streams of one thread.
class Watchers {
 public:
  Watchers(Shared& shared, net::IoThread& thread) : shared_(shared), thread_(thread), requests_(shared.options, 1) {}

  // Watchers first, first + step, ...
  void start(uint32_t connections, uint64_t first, uint64_t step) {
    const Options& options = shared_.options;
    for (uint32_t c = 0; c < connections; ++c) {
      clients_.push_back(std::make_unique<net::GrpcClient>(thread_, client_options(options)));
      for (uint32_t s = 0; s < options.streams; ++s)
        open_stream(*clients_.back());
    }
    for (uint64_t i = first, n = 0; i < options.watchers; i += step, ++n) {
      etcdserverpb::WatchRequest request;
      request.mutable_create_request()->set_key(requests_.key(i % options.key_space));
      streams_[n % streams_.size()]->write(request.SerializeAsString());
    }
  }
  EventCheck::Spread spread() const {
    EventCheck::Spread spread;
    for (const WatchStream* events : listeners_) spread.add(events->checked().spread());
    return spread;
  }
  void drop() {
    listeners_.clear();
    streams_.clear();
    clients_.clear();
  }

 private:
  void open_stream(net::GrpcClient& client) {
    auto events = std::make_unique<WatchStream>(shared_);
    listeners_.push_back(events.get());
    streams_.push_back(client.start("/etcdserverpb.Watch/Watch", {}, std::move(events)));
  }

  Shared& shared_;
  net::IoThread& thread_;
  const Requests requests_;
  std::vector<std::unique_ptr<net::GrpcClient>> clients_;
  std::vector<std::shared_ptr<net::ClientCall>> streams_;  // shared with the clients
  std::vector<const WatchStream*> listeners_;              // theirs
};

// The puts, on connections of their own.
class Puts : public UnaryPipeEvents {
 public:
  Puts(Shared& shared, net::IoThread& thread) : shared_(shared), thread_(thread) {
    Options options = shared.options;
    options.operation = Operation::put;
    options.order = KeyOrder::sequential;
    requests_ = std::make_unique<Requests>(options, options.seed);
  }

  void start(env::Instant until) {
    until_ = until;
    const Options& o = shared_.options;
    for (size_t i = 0; i < kPutConnections; ++i)
      pipes_.push_back(std::make_unique<UnaryPipe>(
          thread_, net::ConnectTarget{.address = o.address, .port = o.port, .timeout = o.timeout},
          std::string(method_of(Operation::put)), *this));
  }
  void drop() { pipes_.clear(); }
  void on_ready() override { pump(); }
  void on_answer(env::Instant began) override {
    --under_way_;
    outcome_.latencies.add(shared_.clock.now() - began);
    pump();
  }
  void on_failure(std::string_view why) override { shared_.fail(why); }
  uint64_t expected() const { return expected_; }
  const Outcome& outcome() const { return outcome_; }

 private:
  uint64_t watchers_of(uint64_t put) const {
    const Options& o = shared_.options;
    const uint64_t key = put % o.key_space;
    return o.watchers / o.key_space + (key < o.watchers % o.key_space);
  }
  bool wanted() const {
    const Options& o = shared_.options;
    return o.requests ? begun_ < *o.requests : shared_.clock.now() < until_;
  }
  // Looks again and again: events are counted on other threads.
  void pump() {
    if (shared_.is_over || pipes_.empty()) return;
    while (wanted() && under_way_ < kPutsUnderWay &&
           expected_ - shared_.events.load(std::memory_order_relaxed) < kEventsUnderWay) {
      if (request_.empty()) request_ = requests_->make(begun_);
      if (request_.size() > kPipeRequestBytesMax) return shared_.fail("values of watched keys must be below 16 kB");
      if (!pipes_[begun_ % pipes_.size()]->call(request_, shared_.clock.now())) break;
      expected_ += watchers_of(begun_++);
      ++under_way_;
      request_.clear();
    }
    if (!wanted() && under_way_ == 0 && shared_.events.load() >= expected_) return shared_.end();
    if (!std::exchange(looking_, true))
      thread_.post_after(std::chrono::microseconds(200), [this] {
        looking_ = false;
        pump();
      });
  }

  Shared& shared_;
  net::IoThread& thread_;
  std::vector<std::unique_ptr<UnaryPipe>> pipes_;
  std::unique_ptr<Requests> requests_;
  std::string request_;  // the next one, if it is made already
  env::Instant until_;
  uint64_t begun_ = 0, under_way_ = 0, expected_ = 0;
  bool looking_ = false;
  Outcome outcome_;
};

void run_on(net::IoThread& thread, Task task) {
  std::promise<void> done;
  thread.post([&] {
    task();
    done.set_value();
  });
  done.get_future().wait();
}

// Every watcher of a key was told as many events as there were puts of it; they came in order, or we'd know.
void check_counts(Shared& shared, const std::vector<std::unique_ptr<Watchers>>& watchers, uint64_t expected) {
  const Options& options = shared.options;
  EventCheck::Spread all;
  for (const auto& some : watchers) all.add(some->spread());
  if (shared.events != expected)
    return shared.fail(fmt::format("{} events instead of {}", shared.events.load(), expected));
  if (expected == 0 || !options.requests || *options.requests % options.key_space != 0) return;
  const uint64_t each = *options.requests / options.key_space;
  if (all.watchers != options.watchers || all.least != each || all.most != each)
    shared.fail(fmt::format("{} watchers were told {} to {} events instead of {}", all.watchers, all.least, all.most, each));
}

}  // namespace

Outcome run_watch(const Options& options, const env::Clock& clock) {
  net::IoPool pool(clock, options.threads, "bench");
  pool.start();
  Shared shared{options, clock};
  auto created = shared.all_created.get_future();
  auto over = shared.over.get_future();
  std::vector<std::unique_ptr<Watchers>> watchers;
  for (uint32_t i = 0; i < options.threads; ++i) {
    const uint32_t share = options.connections / options.threads + (i < options.connections % options.threads);
    watchers.push_back(std::make_unique<Watchers>(shared, pool.at(i)));
    run_on(pool.at(i), [&, i, share] { watchers.back()->start(share, i, options.threads); });
  }
  Puts puts(shared, pool.at(0));
  if (options.watchers > 0) created.wait();
  const env::Instant began = clock.now();
  if (options.hold || options.listen) {
    // A script that does something to the server meanwhile waits for this line.
    fmt::print("{} watchers\n", options.watchers);
    std::fflush(stdout);
    if (options.hold) pool.at(0).post_after(*options.hold, [&] { shared.end(); });
  } else {
    pool.at(0).post([&] { puts.start(began + options.duration.value_or(env::Duration(0))); });
  }
  over.wait();
  const env::Instant ended = clock.now();
  if (options.check && !options.hold && !options.listen && shared.failures == 0) {
    // On its streams' threads nothing is under way any more.
    for (uint32_t i = 0; i < options.threads; ++i) run_on(pool.at(i), [] {});
    check_counts(shared, watchers, puts.expected());
  }
  run_on(pool.at(0), [&] { puts.drop(); });
  for (uint32_t i = 0; i < options.threads; ++i) run_on(pool.at(i), [&, i] { watchers[i]->drop(); });
  pool.stop();

  Outcome outcome;
  outcome.add(puts.outcome());
  outcome.calls = shared.events;
  outcome.failures = shared.failures;
  outcome.took = ended - began;
  return outcome;
}

}  // namespace holdfast::bench
