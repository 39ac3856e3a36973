#include "rpc/watch_service.h"

#include <utility>

#include "rpc.pb.h"
#include "server/response_header.h"

namespace holdfast::rpc {

namespace {

constexpr env::Duration kProgressInterval = std::chrono::minutes(10);
constexpr env::Duration kProgressIntervalMin = std::chrono::milliseconds(100);
// grpcOverheadBytes: what etcd lets a message have beyond the largest request.
constexpr uint64_t kOverheadBytes = 512 * 1024;
// Requests aren't read while so much waits for the client: it may ask and never listen. (etcd: while 16 answers wait.)
constexpr size_t kWaitingBytesMax = 128 * 1024;

class WatchSession : public net::StreamSession, public mvcc::WatchSink {
 public:
  WatchSession(const Rpc& rpc, net::StreamCallRef call) : rpc_(rpc), call_(std::move(call)) {
    if (CallGate::requires_leader(*call_)) ticket_ = rpc.leader.watch(call_);
  }
  void begin(std::unique_ptr<WatchRequests> requests) { requests_ = std::move(requests); }

  void on_message(std::string_view message) override {
    etcdserverpb::WatchRequest request;
    if (const std::string_view why = parse_request(message, request); !why.empty()) {
      const absl::Status malformed = malformed_stream_message(why);
      count_failure(malformed);
      return call_->finish(malformed);
    }
    requests_->handle(request);
    if (!paused_ && call_->outbox_bytes() > kWaitingBytesMax) {
      paused_ = true;
      call_->pause();
    }
  }
  void on_half_close() override {}  // WAT-20
  void on_drained() override {
    if (std::exchange(paused_, false)) call_->resume();
    requests_->on_drained();
  }
  void on_cancel(const absl::Status& reason) override {
    count_failure(reason);
    requests_->close();
  }

  void send(std::string head, SharedBytes tail) override {
    call_->write(net::OutMessage{std::move(head), std::move(tail)});
  }
  size_t waiting_bytes() const override { return call_->outbox_bytes(); }

 private:
  void count_failure(const absl::Status& reason) const { rpc_.stream_failures.on_receive("watch", "watch", reason); }

  const Rpc& rpc_;
  const net::StreamCallRef call_;
  LeaderMonitor::Ticket ticket_;
  std::unique_ptr<WatchRequests> requests_;
  bool paused_ = false;
};

env::Duration checked_interval(env::Duration wanted, Logger& log) {
  if (wanted <= env::Duration::zero()) return kProgressInterval;
  if (wanted >= kProgressIntervalMin) return wanted;
  log.warn("adjusting watch progress notify interval to minimum period",
           {{"min-watch-progress-notify-interval", "100ms"}});
  return kProgressIntervalMin;
}

}  // namespace

WatchService::WatchService(const Rpc& rpc, std::shared_ptr<mvcc::WatchFeed> feed, env::Metrics& metrics, Logger& log,
                           Options options)
    : rpc_(rpc),
      feed_(std::move(feed)),
      log_(log),
      options_{options.max_request_bytes, checked_interval(options.progress_interval, log), options.random_seed},
      metrics_(metrics),
      random_(options.random_seed) {}

WatchService::~WatchService() = default;

void WatchService::register_on(net::GrpcServer& server) {
  server.register_stream("/etcdserverpb.Watch/Watch", net::MethodKind::bidi_stream,
                         [this](net::StreamCallRef call) { return open_stream(std::move(call)); });
}

std::unique_ptr<net::StreamSession> WatchService::open_stream(net::StreamCallRef call) {
  if (absl::Status status = rpc_.gate.admit(*call, OnLearner::refused); !status.ok()) {
    call->finish(to_wire(status));
    return nullptr;
  }
  auto session = std::make_unique<WatchSession>(rpc_, call);
  // The session, which asks, holds the call.
  const net::StreamCall* asking = call.get();
  session->begin(open(
      call->executor(),
      [this, asking]() -> absl::StatusOr<server::AuthInfo> {
        auto context = rpc_.gate.context(*asking);
        if (!context.ok()) return context.status();
        return std::move(context->auth);
      },
      *session));
  return session;
}

std::unique_ptr<WatchRequests> WatchService::open(env::Executor& executor, WatchRequests::Identify identify,
                                                  mvcc::WatchSink& sink) {
  return std::make_unique<WatchRequests>(
      WatchRequests::Parts{rpc_.v3, hub(executor), log_, std::move(identify)}, sink, jitter());
}

env::Duration WatchService::jitter() {
  std::lock_guard lock(mutex_);
  return env::Duration(random_.below(static_cast<uint64_t>(options_.progress_interval.count()) / 10));
}

std::shared_ptr<mvcc::WatchHub> WatchService::hub(env::Executor& executor) {
  std::lock_guard lock(mutex_);
  std::shared_ptr<mvcc::WatchHub>& hub = hubs_[&executor];  // shared by its streams
  if (hub == nullptr) {
    mvcc::WatchHub::Options options;
    options.append_header = [&member = rpc_.v3.member()](std::string& out, Revision revision) {
      server::append_header(out, member, revision);
    };
    options.fragment_bytes_max = options_.max_request_bytes + kOverheadBytes;
    options.progress_interval = options_.progress_interval;
    hub = std::make_shared<mvcc::WatchHub>(feed_, executor, metrics_, std::move(options));  // shared by its streams
  }
  return hub;
}

}  // namespace holdfast::rpc
