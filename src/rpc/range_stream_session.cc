#include "rpc/range_stream_session.h"

#include <string>
#include <utility>

#include "server/request_views.h"

namespace holdfast::rpc {

namespace {

// What was written and not yet sent stays below this plus one chunk. Above
// GrpcOptions::outbox_low_water_bytes, so that falling below that mark is noticed.
constexpr size_t kOutboxBytesMax = 256 * 1024;

// Shared by the session and the read index that the call waits for: the client may go away before
// it comes.
struct Exchange {
  net::StreamCallRef call;
  std::string request;  // views of it are in use until the stream is open
  std::unique_ptr<server::RangeStream> stream;

  void pump() {
    if (stream == nullptr) return;
    while (!call->done()) {
      if (stream->is_done()) return call->finish(to_wire(stream->final_status()));
      if (call->outbox_bytes() >= kOutboxBytesMax) return;  // on_drained comes back
      auto chunk = stream->next();
      if (!chunk.ok()) return call->finish(to_wire(chunk.status()));
      call->write(*std::move(chunk));
    }
  }
};

class RangeStreamSession : public net::StreamSession {
 public:
  RangeStreamSession(const Rpc& rpc, net::StreamCallRef call, server::CallContext context)
      : rpc_(rpc), context_(std::move(context)), exchange_(std::make_shared<Exchange>()) {
    if (CallGate::requires_leader(*call)) ticket_ = rpc.leader.watch(call);
    exchange_->call = std::move(call);
  }

  void on_message(std::string_view message) override {
    exchange_->request.assign(message);
    const auto request = server::parse_range(exchange_->request);
    if (!request) return exchange_->call->finish(malformed_stream_message());
    const net::StreamCall* call = exchange_->call.get();
    const server::Cancelled cancelled = {
        [](const void* whom) {
          const auto& call = *static_cast<const net::StreamCall*>(whom);
          return call.cancelled() || (call.deadline() && call.executor().now() > *call.deadline());
        },
        call};
    rpc_.v3.range_stream(
        context_, *request, cancelled,
        [exchange = exchange_](absl::StatusOr<std::unique_ptr<server::RangeStream>> stream) {
          if (!stream.ok()) return exchange->call->finish(to_wire(stream.status()));
          exchange->stream = *std::move(stream);
          exchange->pump();
        });
  }
  void on_half_close() override {}
  void on_drained() override { exchange_->pump(); }

 private:
  const Rpc& rpc_;
  const server::CallContext context_;
  const std::shared_ptr<Exchange> exchange_;
  LeaderMonitor::Ticket ticket_;
};

}  // namespace

std::unique_ptr<net::StreamSession> open_range_stream(const Rpc& rpc, net::StreamCallRef call) {
  absl::Status status = rpc.gate.admit(*call, OnLearner::refused);
  if (status.ok()) {
    auto context = rpc.gate.context(*call);
    if (context.ok())
      return std::make_unique<RangeStreamSession>(rpc, std::move(call), *std::move(context));
    status = context.status();
  }
  call->finish(to_wire(status));
  return nullptr;
}

}  // namespace holdfast::rpc
