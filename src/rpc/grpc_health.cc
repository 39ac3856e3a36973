#include "rpc/grpc_health.h"

#include <utility>

#include "base/errors.h"
#include "base/wire.h"
#include "health.pb.h"
#include "rpc/rpc.h"

namespace holdfast::rpc {

namespace {

namespace pb = grpc::health::v1;

std::string response(pb::HealthCheckResponse::ServingStatus status) {
  pb::HealthCheckResponse response;
  response.set_status(status);
  return response.SerializeAsString();
}

std::string response(GrpcHealth::Serving serving) {
  return response(serving == GrpcHealth::Serving::yes ? pb::HealthCheckResponse::SERVING
                                                      : pb::HealthCheckResponse::NOT_SERVING);
}

class WatchSession : public net::StreamSession {
 public:
  WatchSession(const Rpc& rpc, net::StreamCallRef call)
      : health_(rpc.health), call_(std::move(call)) {
    if (CallGate::requires_leader(*call_)) ticket_ = rpc.leader.watch(call_);
  }
  ~WatchSession() override {
    if (id_ != 0) health_.remove(id_);
  }
  void on_message(std::string_view message) override {
    pb::HealthCheckRequest request;
    if (const std::string_view why = parse_request(message, request); !why.empty())
      return call_->finish(malformed_stream_message(why));
    id_ = health_.add(call_, request.service().empty() ? GrpcHealth::Service::known
                                                       : GrpcHealth::Service::unknown);
  }
  void on_half_close() override {}

 private:
  GrpcHealth& health_;
  net::StreamCallRef call_;
  uint64_t id_ = 0;
  LeaderMonitor::Ticket ticket_;
};

std::unique_ptr<net::StreamSession> open_watch(const Rpc& rpc, net::StreamCallRef call) {
  if (absl::Status status = rpc.gate.admit(*call, OnLearner::refused); !status.ok()) {
    call->finish(status);
    return nullptr;
  }
  return std::make_unique<WatchSession>(rpc, std::move(call));
}

}  // namespace

GrpcHealth::Serving GrpcHealth::serving() const {
  const std::lock_guard lock(mutex_);
  return serving_;
}

void GrpcHealth::set(Serving serving) {
  const std::lock_guard lock(mutex_);
  if (serving == serving_) return;
  serving_ = serving;
  for (const auto& [id, call] : watchers_)
    call->executor().post([call = call, serving] { call->write(response(serving)); });
}

uint64_t GrpcHealth::add(net::StreamCallRef call, Service service) {
  const std::lock_guard lock(mutex_);
  if (service == Service::unknown) {
    call->write(response(pb::HealthCheckResponse::SERVICE_UNKNOWN));
    return 0;
  }
  // Under the lock, so that a change comes after it.
  call->write(response(serving_));
  watchers_.emplace(++last_id_, std::move(call));
  return last_id_;
}

void GrpcHealth::remove(uint64_t id) {
  std::map<uint64_t, net::StreamCallRef>::node_type removed;  // let go of outside the lock
  const std::lock_guard lock(mutex_);
  removed = watchers_.extract(id);
}

void register_health(net::GrpcServer& server, const Rpc& rpc) {
  register_unary<pb::HealthCheckRequest>(
      server, rpc, "/grpc.health.v1.Health/Check", OnLearner::refused,
      [&rpc](net::UnaryCallRef call, auto request, const server::CallContext&) {
        if (!request->service().empty())
          return call->finish(make_status(absl::StatusCode::kNotFound, "unknown service"));
        rpc.replies.answer(*call, response(rpc.health.serving()));
      });
  server.register_stream(
      "/grpc.health.v1.Health/Watch", net::MethodKind::server_stream,
      [&rpc](net::StreamCallRef call) { return open_watch(rpc, std::move(call)); });
  // HealthListResponse{map<string, HealthCheckResponse> statuses = 1}; protoc's classes here don't
  // know it.
  register_unary<pb::HealthCheckRequest>(
      server, rpc, "/grpc.health.v1.Health/List", OnLearner::refused,
      [&rpc](net::UnaryCallRef call, auto, const server::CallContext&) {
        const std::string status = response(rpc.health.serving());
        std::string entry, list;
        wire::Writer(entry).put_bytes(1, "");
        wire::Writer(entry).put_bytes(2, status);
        wire::Writer(list).put_bytes(1, entry);
        rpc.replies.answer(*call, std::move(list));
      });
}

}  // namespace holdfast::rpc
