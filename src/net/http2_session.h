// HTTP/2's server side on one connection: nghttp2's session, its streams, keepalive, going away, and the limits that
// keep a hostile client's cost bounded.
#pragma once

#include <nghttp2/nghttp2.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "net/block_cache.h"
#include "net/connection.h"
#include "net/grpc_server.h"
#include "net/grpc_stream.h"
#include "net/http.h"
#include "net/listener.h"

namespace holdfast::net {

// A bucket of tokens refilled with time; what a client may do in moderation.
class RateLimit {
 public:
  RateLimit(uint64_t burst, uint64_t per_second) : burst_(burst), per_second_(per_second), tokens_(burst) {}
  // False when there was no token left.
  bool take(env::Instant now);

 private:
  uint64_t burst_, per_second_, tokens_;
  env::Instant refilled_{};
};

class Http2Session final : public Protocol {
 public:
  struct Wiring {
    Connection& connection;
    const GrpcServer* grpc;  // may be null: no gRPC then
    HttpHandler* http;       // may be null: gRPC only
    const HttpOptions& http_options;
    ListenerOptions::Http2Requests requests;
  };
  explicit Http2Session(const Wiring& wiring);
  ~Http2Session() override;

  // Protocol
  void on_input(std::string_view bytes) override;
  bool produce(std::string& out, size_t limit) override;
  bool finished() const override;
  void drain() override;
  void on_closed() override;

 private:
  friend class GrpcStream;
  friend class Http2HttpStream;
  struct Callbacks;

  IoThread& thread() { return connection_.thread(); }
  const GrpcOptions& grpc_options() const;
  void flush_soon() { connection_.flush_soon(); }
  GrpcStream* stream(int32_t id) {
    return static_cast<GrpcStream*>(nghttp2_session_get_stream_user_data(session_, id));
  }
  GrpcStream& open_stream(int32_t id);
  void stream_closed(GrpcStream& stream);
  void on_frame(const nghttp2_frame& frame);
  void on_frame_sent(const nghttp2_frame& frame);
  int on_body(int32_t id, std::string_view bytes);
  void on_ping(const nghttp2_frame& frame);
  void reset_stream(int32_t id, uint32_t code);
  // Takes back the window of `size` bytes that a stream has now delivered.
  void give_window(int32_t id, size_t size);
  void give_connection_window();
  void go_away(uint32_t code, std::string_view reason);
  void second_goaway();
  void arm_idle_timer(env::Duration delay);
  void idle_timer_fired();
  void send_settings(const GrpcOptions& options);
  void watch_header_block();
  void count_empty_frame();
  void publish_counters();

  Connection& connection_;
  const GrpcServer* const grpc_;
  HttpHandler* const http_;
  const HttpOptions& http_options_;
  const ListenerOptions::Http2Requests requests_;
  BlockCache memory_;
  nghttp2_session* session_ = nullptr;
  std::vector<GrpcStream*> streams_;                // open, in no order that matters
  std::vector<std::unique_ptr<GrpcStream>> spare_;  // for reuse
  std::vector<std::unique_ptr<StreamSession>> graveyard_;  // sessions that may be on the stack still
  std::string* out_ = nullptr;  // during produce()
  size_t out_limit_ = 0;

  // Memory that the peer makes us hold.
  size_t incomplete_bytes_ = 0;  // parts of messages
  size_t complete_bytes_ = 0;    // messages of open calls
  size_t outgoing_bytes_ = 0;
  size_t connection_window_owed_ = 0;
  int64_t published_calls_ = 0, published_in_ = 0, published_out_ = 0;

  // Keepalive (grpc-go's rules).
  env::Instant last_read_;
  env::Instant last_ping_{};
  bool ping_seen_ = false;
  int ping_strikes_ = 0;
  bool strikes_reset_ = false;
  bool keepalive_ping_out_ = false;
  env::TimerId idle_timer_ = 0;

  // Floods.
  RateLimit our_resets_;
  RateLimit empty_frames_;

  // Going away.
  enum class Leaving : uint8_t { no, announced, last_stream_named, now };
  Leaving leaving_ = Leaving::no;
  env::TimerId goaway_timer_ = 0;
  // A header block that has begun and not ended; nothing else may come before its end.
  bool headers_pending_ = false;
  GrpcStream* pending_stream_ = nullptr;  // whose block it is; null for trailers
  env::TimerId headers_timer_ = 0;
};

}  // namespace holdfast::net
