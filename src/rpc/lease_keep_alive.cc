#include "rpc/lease_keep_alive.h"

#include <optional>
#include <string>
#include <utility>

#include "base/errors.h"
#include "base/wire.h"
#include "mvcc/store.h"
#include "server/response_header.h"

namespace holdfast::rpc {

namespace {

// Answers that the client has not taken; above, no more of its requests are read. Above
// GrpcOptions::outbox_low_water_bytes, so that falling below that mark is noticed.
constexpr size_t kOutboxBytesMax = 128 * 1024;

// LeaseKeepAliveRequest{ID = 1}, read as protobuf reads it: the field's last value counts.
std::optional<LeaseId> parse_request(std::string_view bytes) {
  wire::Reader reader(bytes);
  wire::Field field;
  LeaseId id;
  while (reader.next(field))
    if (field.number == 1 && field.type == wire::Type::varint) id = LeaseId(field.as_int64());
  if (!reader.ok()) return std::nullopt;
  return id;
}

class KeepAliveSession : public net::StreamSession {
 public:
  KeepAliveSession(const Rpc& rpc, net::StreamCallRef call) : rpc_(rpc), call_(std::move(call)) {
    if (CallGate::requires_leader(*call_)) ticket_ = rpc.leader.watch(call_);
  }

  void on_message(std::string_view message) override {
    const auto id = parse_request(message);
    if (!id) return fail(malformed_stream_message());
    const auto context = rpc_.gate.context(*call_);
    if (!context.ok()) return call_->finish(to_wire(context.status()));
    // Taken before the renewal, so that no answer says "alive" with a revision at which the lease was already gone.
    std::string answer;
    answer.reserve(server::kHeaderBytesMax + 24);
    const server::MemberInfo& member = rpc_.replies.member();
    server::append_header(answer, member, member.store()->current_revision());
    if (auto ttl = rpc_.leases.renew_at_once(*context, *id)) {
      reply(*call_, std::move(answer), *id, *std::move(ttl));
      // Those who don't read get no more to read.
      if (call_->outbox_bytes() > kOutboxBytesMax && !call_->done()) {
        full_ = true;
        call_->pause();
      }
      return;
    }
    call_->pause();  // what follows waits for this one's answer
    rpc_.leases.renew(*context, *id,
                      [call = call_, id = *id, answer = std::move(answer)](
                          absl::StatusOr<int64_t> ttl) mutable {
                        reply(*call, std::move(answer), id, std::move(ttl));
                        call->resume();
                      });
  }
  void on_half_close() override { call_->finish(absl::OkStatus()); }
  void on_cancel(const absl::Status& reason) override { count_failure(reason); }
  void on_drained() override {
    if (std::exchange(full_, false)) call_->resume();
  }

 private:
  void count_failure(const absl::Status& reason) const {
    rpc_.stream_failures.on_receive("lease-keepalive", "lease keepalive", reason);
  }
  void fail(const absl::Status& reason) {
    count_failure(reason);
    call_->finish(reason);
  }
  static void reply(net::StreamCall& call, std::string answer, LeaseId id,
                    absl::StatusOr<int64_t> ttl) {
    if (!ttl.ok() && !is(ttl.status(), EtcdError::lease_not_found))
      return call.finish(to_wire(ttl.status()));
    wire::Writer writer(answer);
    writer.put_nonzero_int64(2, id.value);
    writer.put_nonzero_int64(3, ttl.ok() ? *ttl : 0);  // TRP-26
    call.write(std::move(answer));
  }

  const Rpc& rpc_;
  const net::StreamCallRef call_;
  LeaderMonitor::Ticket ticket_;
  bool full_ = false;
};

}  // namespace

std::unique_ptr<net::StreamSession> open_lease_keep_alive(const Rpc& rpc, net::StreamCallRef call) {
  const absl::Status status = rpc.gate.admit(*call, OnLearner::refused);
  if (status.ok()) return std::make_unique<KeepAliveSession>(rpc, std::move(call));
  call->finish(to_wire(status));
  return nullptr;
}

}  // namespace holdfast::rpc
