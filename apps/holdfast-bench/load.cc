#include "apps/holdfast-bench/load.h"

#include <algorithm>
#include <atomic>
#include <future>
#include <memory>
#include <optional>
#include <vector>

#include "apps/holdfast-bench/requests.h"
#include "base/errors.h"
#include "fmt/format.h"
#include "net/grpc_client.h"
#include "net/io_thread.h"
#include "rpc.pb.h"

namespace holdfast::bench {

namespace {

// A call that failed is not followed at once by the next: a server that refuses everything would be flooded.
constexpr env::Duration kPauseAfterFailure = std::chrono::milliseconds(10);
// So many failures and not one answer: there is nothing to measure.
constexpr uint64_t kHopelessFailures = 100;

// Shared by the threads of a load.
struct Shared {
  const Options& options;
  const env::Clock& clock;
  env::Instant began, counted_from, until;
  std::atomic<uint64_t> taken{0};
  std::atomic<bool> hopeless{false};

  // The number of the next call, or nothing when the load is over.
  std::optional<uint64_t> take() {
    if (hopeless || (options.duration && clock.now() >= until)) return std::nullopt;
    const uint64_t n = taken.fetch_add(1, std::memory_order_relaxed);
    if (options.requests && n >= *options.requests) return std::nullopt;
    return n;
  }
};

std::string text_of(const absl::Status& status) {
  return fmt::format("{}: {}", absl::StatusCodeToString(status.code()), message(status));
}

void count_error(Outcome& outcome, const std::string& text, uint64_t times) {
  if (outcome.errors.contains(text) || outcome.errors.size() < Outcome::kErrorsKept)
    outcome.errors[text] += times;
}

// The part of a load that one thread makes. Everything runs on it.
class Worker {
 public:
  Worker(Shared& shared, net::IoThread& thread, uint64_t seed)
      : shared_(shared), thread_(thread), requests_(shared.options, seed) {
    const Options& options = shared.options;
    path_ = std::string(method_of(options.operation));
    call_options_.timeout = options.timeout;
    client_options_.address = options.address;
    client_options_.port = options.port;
    if (options.tls) {
      const TlsFiles& files = *options.tls;
      client_options_.tls = net::TlsClientOptions{
          .trusted_ca_file = files.ca,
          .certificate_file = files.certificate,
          .key_file = files.key,
          .server_name = options.address,
          .verify = files.skip_verification ? net::TlsClientOptions::Verify::nothing
                                            : net::TlsClientOptions::Verify::peer};
    }
  }

  void start(uint32_t connections, Task done) {
    done_ = std::move(done);
    for (uint32_t i = 0; i < connections; ++i)
      clients_.push_back(std::make_unique<net::GrpcClient>(thread_, client_options_));
    open_ = static_cast<size_t>(connections) * shared_.options.streams;
    // Stream by stream over all connections, so that each gets its first calls early.
    const bool streaming = shared_.options.operation == Operation::lease_keep_alive;
    for (uint32_t stream = 0; stream < shared_.options.streams; ++stream)
      for (auto& client : clients_) streaming ? Stream::open(*this, *client) : next(*client);
  }
  void drop_clients() { clients_.clear(); }
  const Outcome& outcome() const { return outcome_; }
  env::Instant last_answer() const { return last_answer_; }

 private:
  // A stream on which one request is under way at a time.
  class Stream : public net::ClientCallEvents {
   public:
    explicit Stream(Worker& worker) : worker_(worker) {}
    static void open(Worker& worker, net::GrpcClient& client) {
      auto stream = std::make_unique<Stream>(worker);
      Stream& opened = *stream;
      net::CallOptions options = worker.call_options_;
      options.timeout.reset();
      opened.call_ = client.start(worker.path_, options, std::move(stream));
      opened.next();
    }
    void on_message(std::string_view message) override {
      etcdserverpb::LeaseKeepAliveResponse answer;
      const bool alive = answer.ParseFromArray(message.data(), static_cast<int>(message.size())) && answer.ttl() > 0;
      worker_.count(began_, alive ? absl::OkStatus() : absl::NotFoundError("no such lease"));
      next();
    }
    void on_finished(const absl::Status& status) override {
      if (std::exchange(ended_, true)) return;
      worker_.count(began_, status.ok() ? absl::UnavailableError("the stream ended") : status);
      worker_.end_one();
    }

   private:
    void next() {
      const std::optional<uint64_t> n = worker_.shared_.take();
      if (!n) {
        ended_ = true;
        call_->half_close();
        return worker_.end_one();
      }
      began_ = worker_.shared_.clock.now();
      call_->write(worker_.requests_.make(*n));
    }
    Worker& worker_;
    std::shared_ptr<net::ClientCall> call_;  // shared with the client until it is finished
    env::Instant began_;
    bool ended_ = false;
  };

  void end_one() {
    if (--open_ == 0) thread_.post(std::move(done_));
  }

  void next(net::GrpcClient& client) {
    const std::optional<uint64_t> n = shared_.take();
    if (!n) return end_one();
    const env::Instant began = shared_.clock.now();
    client.unary(path_, requests_.make(*n), call_options_,
                 [this, &client, began](const absl::Status& status, std::string_view) {
                   on_answer(client, began, status);
                 });
  }

  void on_answer(net::GrpcClient& client, env::Instant began, const absl::Status& status) {
    count(began, status);
    if (status.ok()) return next(client);
    thread_.post_after(kPauseAfterFailure, [this, &client] { next(client); });
  }

  void count(env::Instant began, const absl::Status& status) {
    if (!status.ok()) {
      ++outcome_.failures;
      if (!answered_ && outcome_.failures >= kHopelessFailures) shared_.hopeless = true;
      count_error(outcome_, text_of(status), 1);
      return;
    }
    answered_ = true;
    if (began >= shared_.counted_from) {
      const env::Instant now = shared_.clock.now();
      ++outcome_.calls;
      outcome_.latencies.add(now - began);
      last_answer_ = now;
    }
  }

  Shared& shared_;
  net::IoThread& thread_;
  Requests requests_;
  std::string path_;
  net::CallOptions call_options_;
  net::GrpcClientOptions client_options_;
  std::vector<std::unique_ptr<net::GrpcClient>> clients_;
  size_t open_ = 0;
  bool answered_ = false;
  Task done_;
  Outcome outcome_;
  env::Instant last_answer_;
};

}  // namespace

void Outcome::add(const Outcome& other) {
  calls += other.calls;
  failures += other.failures;
  latencies.add(other.latencies);
  for (const auto& [text, times] : other.errors) count_error(*this, text, times);
}

Outcome run_load(const Options& options, const env::Clock& clock) {
  net::IoPool pool(clock, options.threads, "bench");
  pool.start();
  Shared shared{options, clock, clock.now(), {}, {}};
  shared.counted_from = shared.began + options.warm_up;
  shared.until = shared.counted_from + options.duration.value_or(env::Duration(0));

  std::vector<std::unique_ptr<Worker>> workers;
  std::vector<std::promise<void>> ends(options.threads);
  for (uint32_t i = 0; i < options.threads; ++i) {
    const uint32_t share = options.connections / options.threads + (i < options.connections % options.threads);
    workers.push_back(std::make_unique<Worker>(shared, pool.at(i), options.seed + i));
    pool.at(i).post([worker = workers.back().get(), share, end = &ends[i]] {
      worker->start(share, [end] { end->set_value(); });
    });
  }
  for (std::promise<void>& end : ends) end.get_future().wait();
  // Clients go on their own threads, before the threads do.
  for (uint32_t i = 0; i < options.threads; ++i) {
    std::promise<void> dropped;
    pool.at(i).post([&, worker = workers[i].get()] {
      worker->drop_clients();
      dropped.set_value();
    });
    dropped.get_future().wait();
  }
  pool.stop();

  Outcome outcome;
  env::Instant last = shared.counted_from;
  for (const auto& worker : workers) {
    outcome.add(worker->outcome());
    last = std::max(last, worker->last_answer());
  }
  outcome.took = last - shared.counted_from;
  return outcome;
}

}  // namespace holdfast::bench
