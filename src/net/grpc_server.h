// A gRPC server's method table and limits. It listens to nothing itself: a net::Listener hands it the HTTP/2
// connections of a port. Behaviour towards clients follows grpc-go v1.82 (codes, texts, keepalive enforcement, GOAWAY),
// since that is what etcd's clients were written against.
//
//   net::GrpcServer grpc({.max_receive_message_bytes = 2 << 20}, observer);
//   grpc.register_unary("/etcdserverpb.KV/Put", [&](net::UnaryCallRef call) { ... call->finish(bytes); });
//   grpc.register_stream("/etcdserverpb.Watch/Watch", net::MethodKind::bidi_stream,
//                        [&](net::StreamCallRef call) { return std::make_unique<WatchSession>(std::move(call)); });
//   net::Listener listener(pool, options, &grpc, &http_handler);
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "absl/status/status.h"
#include "net/grpc_call.h"

namespace holdfast::net {

// Called on the I/O thread of the connection when the request message is complete (grpc-go does not wait for the
// client's half-close either). May finish at once or keep the handle and finish later. Must not block. If all handles
// are dropped unfinished, the call is answered with INTERNAL "call dropped".
using UnaryHandler = std::function<void(UnaryCallRef)>;

// Called on the I/O thread when the request headers have arrived. Returns the session that gets the messages, or null
// after having called finish() on the call.
using StreamHandler = std::function<std::unique_ptr<StreamSession>(StreamCallRef)>;

// One finished call, for metrics and the slow-request log.
struct CallSummary {
  absl::StatusCode code;
  env::Duration duration;  // from the headers' arrival to finish() or cancellation
  size_t messages_received, messages_sent;
  size_t bytes_received, bytes_sent;  // message bytes, without gRPC's prefix
};

// All methods are called on I/O threads, several at once. Only calls of registered methods are reported, as grpc-go's
// interceptors see them.
class GrpcObserver {
 public:
  virtual ~GrpcObserver() = default;
  virtual void call_started(const MethodInfo& method) {}
  // Bytes of the message as the codec sees them (GEN-14).
  virtual void message_received(const MethodInfo& method, size_t bytes) {}
  virtual void message_sent(const MethodInfo& method, size_t bytes) {}
  virtual void call_handled(const Call& call, const CallSummary& summary) {}
};

// GEN-04: what a client may do with PING, and what the server does to find dead clients. grpc-go's rules.
struct KeepaliveOptions {
  env::Duration min_ping_interval = std::chrono::seconds(5);
  enum class PingsWithoutStreams : uint8_t { forbidden, permitted };
  PingsWithoutStreams pings_without_streams = PingsWithoutStreams::forbidden;
  env::Duration ping_after_idle = std::chrono::hours(2);  // zero: never
  env::Duration ping_timeout = std::chrono::seconds(20);
};

struct GrpcOptions {
  size_t max_receive_message_bytes = 2 * 1024 * 1024;  // GEN-02: --max-request-bytes + 512 KiB
  size_t max_send_message_bytes = INT32_MAX;
  // GEN-03. Advertised and enforced as min(this, kStreamsPerConnectionMax).
  uint32_t max_concurrent_streams = UINT32_MAX;
  KeepaliveOptions keepalive;

  // grpc-go starts at 64 KiB and widens by measuring; a fixed 1 MiB keeps a gigabit with 8 ms of latency full.
  uint32_t stream_window_bytes = 1024 * 1024;
  uint32_t connection_window_bytes = 4 * 1024 * 1024;
  // Names and values (+32 each) of one request. Real clients send under 1 KiB; a JWT auth token is the one large field
  // there is (a few KiB), 64 KiB leaves room for a dozen. grpc-go's 16 MiB would let one frame cost as much memory.
  size_t max_header_list_bytes = 64 * 1024;
  // The outbox is refilled from below this mark (StreamSession::on_drained).
  size_t outbox_low_water_bytes = 64 * 1024;
  // RST_STREAM frames from one client (CVE-2023-44487): a bucket of `burst`, refilled with `rate` a second. Cancelled
  // calls are normal (a client's context ending), hundreds a second are not.
  uint64_t reset_burst = 1000;
  uint64_t reset_rate_per_second = 200;
};

// 65,536 open streams at about 1 KiB each is what one connection may hold; above, streams are refused (retriable).
inline constexpr uint32_t kStreamsPerConnectionMax = 65536;

class GrpcServer {
 public:
  // `observer` may be null; it must outlive the server.
  explicit GrpcServer(GrpcOptions options, GrpcObserver* observer = nullptr);

  // Before a listener uses the server. `path` is "/package.Service/Method"; registering one twice is a CHECK failure.
  void register_unary(std::string_view path, UnaryHandler handler);
  void register_stream(std::string_view path, MethodKind kind, StreamHandler handler);

  const GrpcOptions& options() const { return options_; }
  GrpcObserver* observer() const { return observer_; }
  size_t method_count() const { return methods_.size(); }
  const MethodInfo& method_at(size_t index) const { return methods_[index]->info; }

  struct Method {
    MethodInfo info;
    UnaryHandler unary;
    StreamHandler stream;
  };
  // Null when there is none; then unknown_method() says why, in grpc-go's words.
  const Method* find(std::string_view path) const {
    auto it = by_path_.find(path);
    return it == by_path_.end() ? nullptr : it->second;
  }
  absl::Status unknown_method(std::string_view path) const;

 private:
  Method& add(std::string_view path, MethodKind kind);

  const GrpcOptions options_;
  GrpcObserver* const observer_;
  std::vector<std::unique_ptr<Method>> methods_;
  std::unordered_map<std::string_view, Method*> by_path_;  // keys: MethodInfo::path
};

}  // namespace holdfast::net
