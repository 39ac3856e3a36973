#include "net/http2_session.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <utility>

#include "base/check.h"
#include "base/errors.h"
#include "net/http2_http_stream.h"

namespace holdfast::net {
namespace {

// grpc-go's numbers.
constexpr int kPingStrikesMax = 2;
constexpr env::Duration kIdlePingInterval = std::chrono::hours(2);
constexpr env::Duration kGoawayPatience = std::chrono::seconds(5);
constexpr std::array<uint8_t, 8> kGoawayPing = {'g', 'o', 'i', 'n', 'g', ' ', 'a', 'w'};
constexpr std::array<uint8_t, 8> kKeepalivePing = {'a', 'l', 'i', 'v', 'e', '?', ' ', ' '};
constexpr std::string_view kGracefulStop = "graceful_stop";

// Requests of open calls that one connection may make us hold before its window is withheld; 20 times the largest
// default message, so that only a client far ahead of the server notices.
constexpr size_t kCompleteBytesMax = 32 * 1024 * 1024;
// Parts of unfinished messages one connection may leave with us, over all streams; or a few of the largest message, if
// the limit on those is higher.
constexpr size_t kIncompleteBytesMax = 64 * 1024 * 1024;
constexpr size_t kIncompleteMessages = 4;
// Streams objects kept for reuse by one connection.
constexpr size_t kSpareStreams = 256;
// DATA frames without data or end: costly to take, of no use to anybody (CVE-2019-9518).
constexpr uint64_t kEmptyFramesBurst = 1000, kEmptyFramesPerSecond = 100;
// SETTINGS and PING acknowledgements waiting to be sent to a client that does not read (CVE-2019-9512, -9515).
constexpr size_t kAcksWaitingMax = 1000;
// A header block is one HEADERS frame and at most this many CONTINUATIONs of 16 KiB (CVE-2024-28182).
constexpr size_t kContinuationsMax = 8;
constexpr size_t kSettingsPerFrameMax = 32;

std::string_view view(const uint8_t* data, size_t size) {
  return {reinterpret_cast<const char*>(data), size};
}

const GrpcOptions& default_options() {
  static const GrpcOptions options;
  return options;
}

}  // namespace

bool RateLimit::take(env::Instant now) {
  if (tokens_ == burst_) refilled_ = now;
  auto due = static_cast<uint64_t>(std::max<int64_t>((now - refilled_).count(), 0)) / 1'000'000 *
             per_second_ / 1000;
  if (due != 0) {
    tokens_ = std::min(burst_, tokens_ + due);
    refilled_ = now;
  }
  if (tokens_ == 0) return false;
  --tokens_;
  return true;
}

struct Http2Session::Callbacks {
  static Http2Session& self(void* user) { return *static_cast<Http2Session*>(user); }

  static int begin_headers(nghttp2_session*, const nghttp2_frame* frame, void* user) {
    Http2Session& session = self(user);
    session.headers_pending_ = true;
    // Trailers of a request mean nothing in gRPC.
    session.pending_stream_ = frame->headers.cat == NGHTTP2_HCAT_REQUEST
                                  ? &session.open_stream(frame->hd.stream_id)
                                  : nullptr;
    return 0;
  }
  static int header(nghttp2_session*, const nghttp2_frame*, const uint8_t* name,
                    size_t name_size, const uint8_t* value, size_t value_size, uint8_t, void* user) {
    if (GrpcStream* stream = self(user).pending_stream_)
      stream->on_header(view(name, name_size), view(value, value_size));
    return 0;
  }
  static int frame_received(nghttp2_session*, const nghttp2_frame* frame, void* user) {
    self(user).on_frame(*frame);
    return 0;
  }
  static int body(nghttp2_session*, uint8_t, int32_t id, const uint8_t* data, size_t size,
                  void* user) {
    return self(user).on_body(id, view(data, size));
  }
  static int stream_closed(nghttp2_session*, int32_t id, uint32_t, void* user) {
    if (GrpcStream* stream = self(user).stream(id)) self(user).stream_closed(*stream);
    return 0;
  }
  static int frame_sent(nghttp2_session*, const nghttp2_frame* frame, void* user) {
    self(user).on_frame_sent(*frame);
    return 0;
  }
  static int send_data(nghttp2_session*, nghttp2_frame* frame, const uint8_t* header, size_t size,
                       nghttp2_data_source* source, void* user) {
    Http2Session& session = self(user);
    if (session.out_->size() >= session.out_limit_) return NGHTTP2_ERR_WOULDBLOCK;
    CHECK(frame->data.padlen == 0, "padding was never asked for");
    static_cast<GrpcStream*>(source->ptr)->write_frame(header, size, *session.out_);
    return 0;
  }
};

Http2Session::Http2Session(const Wiring& wiring)
    : connection_(wiring.connection),
      grpc_(wiring.grpc),
      http_(wiring.http),
      http_options_(wiring.http_options),
      requests_(wiring.requests),
      our_resets_(grpc_options().reset_burst, grpc_options().reset_rate_per_second),
      empty_frames_(kEmptyFramesBurst, kEmptyFramesPerSecond) {
  nghttp2_session_callbacks* callbacks = nullptr;
  nghttp2_session_callbacks_new(&callbacks);
  nghttp2_session_callbacks_set_on_begin_headers_callback(callbacks, Callbacks::begin_headers);
  nghttp2_session_callbacks_set_on_header_callback(callbacks, Callbacks::header);
  nghttp2_session_callbacks_set_on_frame_recv_callback(callbacks, Callbacks::frame_received);
  nghttp2_session_callbacks_set_on_data_chunk_recv_callback(callbacks, Callbacks::body);
  nghttp2_session_callbacks_set_on_stream_close_callback(callbacks, Callbacks::stream_closed);
  nghttp2_session_callbacks_set_on_frame_send_callback(callbacks, Callbacks::frame_sent);
  nghttp2_session_callbacks_set_send_data_callback(callbacks, Callbacks::send_data);
  nghttp2_option* option = nullptr;
  nghttp2_option_new(&option);
  nghttp2_option_set_no_auto_window_update(option, 1);
  nghttp2_option_set_no_closed_streams(option, 1);
  // Old Go clients send a whole URL as :authority ("http://127.0.0.1:2379"), which nghttp2's own check of fields refuses
  // with a stream error and grpc-go takes. GrpcStream checks what counts: content type, method, path.
  nghttp2_option_set_no_http_messaging(option, 1);
  nghttp2_option_set_max_outbound_ack(option, kAcksWaitingMax);
  nghttp2_option_set_max_settings(option, kSettingsPerFrameMax);
  nghttp2_option_set_max_continuations(option, kContinuationsMax);
  const GrpcOptions& options = grpc_options();
  nghttp2_option_set_stream_reset_rate_limit(option, options.reset_burst,
                                             options.reset_rate_per_second);
  int result = nghttp2_session_server_new3(&session_, callbacks, this, option, memory_.allocator());
  CHECK(result == 0, "nghttp2: {}", nghttp2_strerror(result));
  nghttp2_option_del(option);
  nghttp2_session_callbacks_del(callbacks);
  send_settings(options);
  last_read_ = thread().now();
  if (options.keepalive.ping_after_idle.count() > 0)
    arm_idle_timer(options.keepalive.ping_after_idle);
}

Http2Session::~Http2Session() { nghttp2_session_del(session_); }

const GrpcOptions& Http2Session::grpc_options() const {
  return grpc_ ? grpc_->options() : default_options();
}

void Http2Session::send_settings(const GrpcOptions& options) {
  uint32_t streams = std::min(options.max_concurrent_streams, kStreamsPerConnectionMax);
  nghttp2_settings_entry entries[] = {
      {NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, streams},
      {NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, options.stream_window_bytes},
      {NGHTTP2_SETTINGS_MAX_HEADER_LIST_SIZE, static_cast<uint32_t>(options.max_header_list_bytes)},
  };
  nghttp2_submit_settings(session_, NGHTTP2_FLAG_NONE, entries, std::size(entries));
  nghttp2_session_set_local_window_size(session_, NGHTTP2_FLAG_NONE, 0,
                                        static_cast<int32_t>(options.connection_window_bytes));
}

void Http2Session::on_input(std::string_view bytes) {
  if (leaving_ == Leaving::now) return;
  last_read_ = thread().now();
  ssize_t used = nghttp2_session_mem_recv(
      session_, reinterpret_cast<const uint8_t*>(bytes.data()), bytes.size());
  if (used < 0) {
    // A flood, a bad preface or no memory; nghttp2 itself answers lesser faults with GOAWAY.
    go_away(used == NGHTTP2_ERR_FLOODED ? NGHTTP2_ENHANCE_YOUR_CALM : NGHTTP2_PROTOCOL_ERROR,
            nghttp2_strerror(static_cast<int>(used)));
  }
  graveyard_.clear();
  watch_header_block();
  publish_counters();
  flush_soon();
}

bool Http2Session::produce(std::string& out, size_t limit) {
  out_ = &out;
  out_limit_ = limit;
  while (out.size() < limit) {
    const uint8_t* data = nullptr;
    ssize_t size = nghttp2_session_mem_send(session_, &data);
    if (size < 0) leaving_ = Leaving::now;
    if (size <= 0) break;
    out.append(view(data, static_cast<size_t>(size)));
  }
  out_ = nullptr;
  graveyard_.clear();
  publish_counters();
  return out.size() >= limit;
}

bool Http2Session::finished() const {
  if (leaving_ == Leaving::now) return true;
  if (leaving_ == Leaving::last_stream_named && streams_.empty()) return true;
  return !nghttp2_session_want_read(session_) && !nghttp2_session_want_write(session_);
}

GrpcStream& Http2Session::open_stream(int32_t id) {
  std::unique_ptr<GrpcStream> stream;
  if (spare_.empty()) {
    stream = std::make_unique<GrpcStream>(*this);
  } else {
    stream = std::move(spare_.back());
    spare_.pop_back();
  }
  stream->begin(id);
  stream->index_in_session = streams_.size();
  nghttp2_session_set_stream_user_data(session_, id, stream.get());
  streams_.push_back(stream.release());
  return *streams_.back();
}

void Http2Session::stream_closed(GrpcStream& stream) {
  nghttp2_session_set_stream_user_data(session_, stream.id(), nullptr);
  size_t index = stream.index_in_session;
  streams_[index] = streams_.back();
  streams_[index]->index_in_session = index;
  streams_.pop_back();
  std::unique_ptr<GrpcStream> owned(&stream);
  if (pending_stream_ == &stream) pending_stream_ = nullptr;
  stream.on_closed();
  give_connection_window();
  if (spare_.size() < kSpareStreams) spare_.push_back(std::move(owned));
}

void Http2Session::on_frame(const nghttp2_frame& frame) {
  switch (frame.hd.type) {
    case NGHTTP2_HEADERS: {
      headers_pending_ = false;
      GrpcStream* stream = this->stream(frame.hd.stream_id);
      if (stream == nullptr) return;
      if (frame.headers.cat == NGHTTP2_HCAT_REQUEST) stream->on_headers_done();
      if (frame.hd.flags & NGHTTP2_FLAG_END_STREAM) stream->on_end_of_input();
      return;
    }
    case NGHTTP2_DATA: {
      GrpcStream* stream = this->stream(frame.hd.stream_id);
      if (frame.hd.flags & NGHTTP2_FLAG_END_STREAM) {
        if (stream) stream->on_end_of_input();
      } else if (frame.hd.length == 0) {
        count_empty_frame();
      }
      return;
    }
    case NGHTTP2_PING:
      on_ping(frame);
      return;
    default:
      return;
  }
}

void Http2Session::count_empty_frame() {
  if (!empty_frames_.take(last_read_)) go_away(NGHTTP2_ENHANCE_YOUR_CALM, "too_many_empty_frames");
}

int Http2Session::on_body(int32_t id, std::string_view bytes) {
  connection_window_owed_ += bytes.size();
  GrpcStream* stream = this->stream(id);
  size_t withheld = 0;
  if (stream != nullptr) {
    size_t before = stream->waiting_.size();
    stream->on_data(bytes);
    withheld = stream->waiting_.size() - before;
    if (stream->http_) withheld = stream->http_->take_withheld();
    size_t limit = std::max(kIncompleteBytesMax,
                            kIncompleteMessages * grpc_options().max_receive_message_bytes);
    if (incomplete_bytes_ > limit) {
      stream->give_up(
          make_status(absl::StatusCode::kResourceExhausted,
                      "grpc: too many unfinished messages on one connection"));
      stream->drop_input();
    }
  }
  if (bytes.size() > withheld)
    nghttp2_session_consume_stream(session_, id, bytes.size() - withheld);
  give_connection_window();
  return leaving_ == Leaving::now ? NGHTTP2_ERR_PAUSE : 0;
}

void Http2Session::give_window(int32_t id, size_t size) {
  if (size != 0) nghttp2_session_consume_stream(session_, id, size);
  give_connection_window();
}

void Http2Session::give_connection_window() {
  if (connection_window_owed_ == 0 || complete_bytes_ > kCompleteBytesMax) return;
  nghttp2_session_consume_connection(session_, std::exchange(connection_window_owed_, 0));
}

void Http2Session::on_frame_sent(const nghttp2_frame& frame) {
  switch (frame.hd.type) {
    case NGHTTP2_HEADERS:
    case NGHTTP2_DATA:
      strikes_reset_ = true;
      // An answer that is complete before the request: nothing more is wanted from the client (RFC 9113 8.1).
      if ((frame.hd.flags & NGHTTP2_FLAG_END_STREAM) &&
          nghttp2_session_get_stream_remote_close(session_, frame.hd.stream_id) == 0)
        nghttp2_submit_rst_stream(session_, NGHTTP2_FLAG_NONE, frame.hd.stream_id, NGHTTP2_NO_ERROR);
      return;
    case NGHTTP2_RST_STREAM: {
      uint32_t code = frame.rst_stream.error_code;
      bool their_fault = code != NGHTTP2_NO_ERROR && code != NGHTTP2_CANCEL;
      // Making us reset streams is as cheap for an attacker as resetting them (CVE-2025-8671).
      if (their_fault && !our_resets_.take(last_read_))
        go_away(NGHTTP2_ENHANCE_YOUR_CALM, "too_many_stream_errors");
      return;
    }
    case NGHTTP2_GOAWAY:
      if (frame.goaway.error_code != NGHTTP2_NO_ERROR) connection_.count_refused();
      return;
    default:
      return;
  }
}

void Http2Session::on_ping(const nghttp2_frame& frame) {
  if (frame.hd.flags & NGHTTP2_FLAG_ACK) {
    if (leaving_ == Leaving::announced &&
        memcmp(frame.ping.opaque_data, kGoawayPing.data(), kGoawayPing.size()) == 0)
      second_goaway();
    return;
  }
  const KeepaliveOptions& options = grpc_options().keepalive;
  env::Instant now = last_read_;
  env::Instant last = std::exchange(last_ping_, now);
  bool first = !std::exchange(ping_seen_, true);
  if (std::exchange(strikes_reset_, false)) {
    ping_strikes_ = 0;
    return;
  }
  bool idle = streams_.empty() && options.pings_without_streams ==
                                      KeepaliveOptions::PingsWithoutStreams::forbidden;
  env::Duration interval = idle ? kIdlePingInterval : options.min_ping_interval;
  if (!first && last + interval > now) ++ping_strikes_;
  if (ping_strikes_ > kPingStrikesMax) go_away(NGHTTP2_ENHANCE_YOUR_CALM, "too_many_pings");
}

void Http2Session::reset_stream(int32_t id, uint32_t code) {
  nghttp2_submit_rst_stream(session_, NGHTTP2_FLAG_NONE, id, code);
  flush_soon();
}

// Says why and closes.
void Http2Session::go_away(uint32_t code, std::string_view reason) {
  if (leaving_ == Leaving::now) return;
  leaving_ = Leaving::now;
  connection_.count_refused();
  nghttp2_submit_goaway(session_, NGHTTP2_FLAG_NONE,
                        nghttp2_session_get_last_proc_stream_id(session_), code,
                        reinterpret_cast<const uint8_t*>(reason.data()), reason.size());
  flush_soon();
}

// As grpc-go: a first GOAWAY that still admits everything, since requests may be on their way; when the ping behind it
// has come back, a second that names the last stream.
void Http2Session::drain() {
  if (leaving_ != Leaving::no) return;
  leaving_ = Leaving::announced;
  nghttp2_submit_goaway(session_, NGHTTP2_FLAG_NONE, INT32_MAX, NGHTTP2_NO_ERROR,
                        reinterpret_cast<const uint8_t*>(kGracefulStop.data()),
                        kGracefulStop.size());
  nghttp2_submit_ping(session_, NGHTTP2_FLAG_NONE, kGoawayPing.data());
  goaway_timer_ = thread().post_after(kGoawayPatience, [this] {
    goaway_timer_ = 0;
    second_goaway();
  });
  flush_soon();
}

void Http2Session::second_goaway() {
  if (leaving_ != Leaving::announced) return;
  leaving_ = Leaving::last_stream_named;
  thread().cancel(std::exchange(goaway_timer_, 0));
  nghttp2_submit_goaway(session_, NGHTTP2_FLAG_NONE,
                        nghttp2_session_get_last_proc_stream_id(session_), NGHTTP2_NO_ERROR,
                        reinterpret_cast<const uint8_t*>(kGracefulStop.data()),
                        kGracefulStop.size());
  flush_soon();
}

void Http2Session::arm_idle_timer(env::Duration delay) {
  idle_timer_ = thread().post_after(delay, [this] {
    idle_timer_ = 0;
    idle_timer_fired();
  });
}

void Http2Session::idle_timer_fired() {
  const KeepaliveOptions& options = grpc_options().keepalive;
  env::Duration quiet = thread().now() - last_read_;
  if (std::exchange(keepalive_ping_out_, false) && quiet >= options.ping_timeout) {
    connection_.close_now();
    return;
  }
  if (quiet < options.ping_after_idle) {
    arm_idle_timer(options.ping_after_idle - quiet);
    return;
  }
  keepalive_ping_out_ = true;
  nghttp2_submit_ping(session_, NGHTTP2_FLAG_NONE, kKeepalivePing.data());
  flush_soon();
  arm_idle_timer(options.ping_timeout);
}

// A header block that never ends holds the whole connection, so its time is limited like HTTP/1.1's.
void Http2Session::watch_header_block() {
  if (!headers_pending_) {
    thread().cancel(std::exchange(headers_timer_, 0));
  } else if (headers_timer_ == 0) {
    headers_timer_ = thread().post_after(http_options_.read_header_timeout, [this] {
      headers_timer_ = 0;
      connection_.count_refused();
      connection_.close_now();
    });
  }
}

void Http2Session::publish_counters() {
  TrafficCounters& counters = connection_.counters();
  auto publish = [](std::atomic<int64_t>& shared, int64_t& published, int64_t now) {
    if (now != published) shared.fetch_add(now - published, std::memory_order_relaxed);
    published = now;
  };
  publish(counters.calls_open, published_calls_, static_cast<int64_t>(streams_.size()));
  publish(counters.request_bytes_held, published_in_,
          static_cast<int64_t>(incomplete_bytes_ + complete_bytes_));
  publish(counters.response_bytes_held, published_out_, static_cast<int64_t>(outgoing_bytes_));
}

void Http2Session::on_closed() {
  leaving_ = Leaving::now;
  for (env::TimerId* timer : {&idle_timer_, &goaway_timer_, &headers_timer_})
    thread().cancel(std::exchange(*timer, 0));
  while (!streams_.empty()) stream_closed(*streams_.back());
  graveyard_.clear();
  publish_counters();
}

}  // namespace holdfast::net
