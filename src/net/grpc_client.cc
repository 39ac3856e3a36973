#include "net/grpc_client.h"

#include <algorithm>

#include "base/check.h"
#include "base/errors.h"
#include "net/grpc_client_parts.h"

namespace holdfast::net {
namespace {

using absl::StatusCode;

std::string_view view(const uint8_t* data, size_t size) {
  return {reinterpret_cast<const char*>(data), size};
}

}  // namespace

// ---- Session

struct GrpcClient::Session::Callbacks {
  static Session& self(void* user) { return *static_cast<Session*>(user); }
  static Stream* stream(nghttp2_session* session, int32_t id) {
    return static_cast<Stream*>(nghttp2_session_get_stream_user_data(session, id));
  }
  static int header(nghttp2_session* session, const nghttp2_frame* frame, const uint8_t* name,
                    size_t name_size, const uint8_t* value, size_t value_size, uint8_t, void*) {
    if (Stream* s = stream(session, frame->hd.stream_id))
      s->on_header(view(name, name_size), view(value, value_size));
    return 0;
  }
  static int body(nghttp2_session* session, uint8_t, int32_t id, const uint8_t* data, size_t size,
                  void*) {
    if (Stream* s = stream(session, id)) s->on_data(view(data, size));
    return 0;
  }
  static int closed(nghttp2_session* session, int32_t id, uint32_t error, void*) {
    if (Stream* s = stream(session, id)) s->on_closed(error);
    return 0;
  }
  static int frame(nghttp2_session*, const nghttp2_frame* frame, void* user) {
    if (frame->hd.type == NGHTTP2_GOAWAY) self(user).going_away_ = true;
    return 0;
  }
  static int send_data(nghttp2_session* session, nghttp2_frame* frame, const uint8_t* header,
                       size_t size, nghttp2_data_source*, void* user) {
    if (self(user).out_->size() >= self(user).out_limit_) return NGHTTP2_ERR_WOULDBLOCK;
    Stream* s = stream(session, frame->hd.stream_id);
    if (s == nullptr) return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
    s->write_frame(header, size, *self(user).out_);
    return 0;
  }
};

GrpcClient::Session::Session(Core& core, Connection& connection)
    : core_(core), connection_(connection) {
  nghttp2_session_callbacks* callbacks = nullptr;
  nghttp2_session_callbacks_new(&callbacks);
  nghttp2_session_callbacks_set_on_header_callback(callbacks, Callbacks::header);
  nghttp2_session_callbacks_set_on_data_chunk_recv_callback(callbacks, Callbacks::body);
  nghttp2_session_callbacks_set_on_stream_close_callback(callbacks, Callbacks::closed);
  nghttp2_session_callbacks_set_on_frame_recv_callback(callbacks, Callbacks::frame);
  nghttp2_session_callbacks_set_send_data_callback(callbacks, Callbacks::send_data);
  nghttp2_option* option = nullptr;
  nghttp2_option_new(&option);
  nghttp2_option_set_no_closed_streams(option, 1);
  // Until the server's SETTINGS arrive; gRPC servers take more than the 100 assumed otherwise.
  nghttp2_option_set_peer_max_concurrent_streams(option, 1000);
  int result = nghttp2_session_client_new3(&session_, callbacks, this, option, memory_.allocator());
  CHECK(result == 0, "nghttp2: {}", nghttp2_strerror(result));
  nghttp2_option_del(option);
  nghttp2_session_callbacks_del(callbacks);
  nghttp2_settings_entry entries[] = {
      {NGHTTP2_SETTINGS_ENABLE_PUSH, 0},
      {NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, core.options().stream_window_bytes},
      {NGHTTP2_SETTINGS_MAX_HEADER_LIST_SIZE, kMaxHeaderListBytes}};
  nghttp2_submit_settings(session_, NGHTTP2_FLAG_NONE, entries, std::size(entries));
  nghttp2_session_set_local_window_size(session_, NGHTTP2_FLAG_NONE, 0,
                                        static_cast<int32_t>(core.options().connection_window_bytes));
  last_heard_ = connection_.thread().now();
  if (core.options().ping_after_idle.count() > 0)
    watch_silence(last_heard_ + core.options().ping_after_idle);
}

void GrpcClient::Session::watch_silence(env::Instant when) {
  keepalive_timer_ = connection_.thread().post_at(when, [this] {
    keepalive_timer_ = 0;
    check_silence();
  });
}

void GrpcClient::Session::check_silence() {
  const env::Instant now = connection_.thread().now();
  const GrpcClientOptions& options = core_.options();
  if (ping_unanswered_) {
    connection_.close_now();
    return;
  }
  if (now < last_heard_ + options.ping_after_idle || core_.size() == 0) {
    watch_silence(std::max(last_heard_, now - options.ping_after_idle / 2) + options.ping_after_idle);
    return;
  }
  ping_unanswered_ = true;
  nghttp2_submit_ping(session_, NGHTTP2_FLAG_NONE, nullptr);
  connection_.flush_soon();
  watch_silence(now + options.ping_timeout);
}

void GrpcClient::Session::on_input(std::string_view bytes) {
  if (core_.options().ping_after_idle.count() > 0) {
    last_heard_ = connection_.thread().now();
    ping_unanswered_ = false;
  }
  ssize_t used = nghttp2_session_mem_recv(
      session_, reinterpret_cast<const uint8_t*>(bytes.data()), bytes.size());
  if (used < 0) failed_ = true;
  connection_.flush_soon();
}

bool GrpcClient::Session::produce(std::string& out, size_t limit) {
  out_ = &out;
  out_limit_ = limit;
  while (out.size() < limit) {
    const uint8_t* data = nullptr;
    ssize_t size = nghttp2_session_mem_send(session_, &data);
    if (size < 0) failed_ = true;
    if (size <= 0) break;
    out.append(view(data, static_cast<size_t>(size)));
  }
  out_ = nullptr;
  return out.size() >= limit;
}

void GrpcClient::Session::on_closed() {
  failed_ = true;
  const std::string& refused = connection_.tls_error();
  const std::string why =
      refused.empty() ? "error reading from server: EOF"
                      : fmt::format("connection error: desc = \"transport: authentication handshake failed: {}\"", refused);
  core_.session_lost(*this, make_status(StatusCode::kUnavailable, why));
}

// ---- Core

void GrpcClient::Core::add(std::shared_ptr<Stream> stream) {
  stream->index = streams_.size();
  if (stream->options_.timeout) {
    stream->timer_ = thread_.post_after(*stream->options_.timeout, [s = stream.get()] {
      s->timer_ = 0;
      s->finish(make_status(StatusCode::kDeadlineExceeded, "context deadline exceeded"));
    });
  }
  streams_.push_back(stream);
  if (session_ && session_->usable()) {
    if (!stream->submit(*session_)) stream->cancel();
  } else if (!link_.opening()) {
    link_.open(shared_from_this(), [this](const absl::Status& status) { on_connected(status); });
  }
}

void GrpcClient::Core::remove(Stream& stream) {
  size_t index = stream.index;
  std::swap(streams_[index], streams_.back());
  streams_[index]->index = index;
  streams_.pop_back();
}

void GrpcClient::Core::on_connected(const absl::Status& status) {
  if (!status.ok()) return fail_all(status, nullptr);
  auto session = std::make_unique<Session>(*this, link_.connection());
  session_ = session.get();
  link_.connection().start(std::move(session));
  auto waiting = streams_;
  for (auto& stream : waiting)
    if (stream->core_ && !stream->session_ && !stream->submit(*session_)) stream->cancel();
}

void GrpcClient::Core::session_lost(Session& session, const absl::Status& why) {
  if (session_ == &session) session_ = nullptr;
  for (auto& stream : std::vector(streams_)) {
    if (stream->session_ != &session) continue;
    stream->session_ = nullptr;
    stream->finish(why);
  }
}

void GrpcClient::Core::fail_all(const absl::Status& why, Session* of) {
  for (auto& stream : std::vector(streams_))
    if (stream->session_ == of) stream->finish(why);
}

void GrpcClient::Core::shut() {
  for (auto& stream : std::exchange(streams_, {})) {
    thread_.cancel(std::exchange(stream->timer_, 0));
    stream->core_ = nullptr;
    stream->session_ = nullptr;
    stream->events_.reset();
  }
  session_ = nullptr;
  link_.shut();
}

// ---- Client

GrpcClient::GrpcClient(IoThread& thread, GrpcClientOptions options)
    : core_(std::make_shared<Core>(thread, std::move(options))) {}

GrpcClient::~GrpcClient() { shut_on_its_thread(core_); }

std::shared_ptr<ClientCall> GrpcClient::start(std::string_view path, const CallOptions& options,
                                              std::unique_ptr<ClientCallEvents> events) {
  auto stream = std::make_shared<Stream>(*core_, path, options, std::move(events));
  core_->add(stream);
  return stream;
}

std::shared_ptr<ClientCall> GrpcClient::unary(std::string_view path, std::string request,
                                              const CallOptions& options, UnaryDone done) {
  struct Single final : ClientCallEvents {
    explicit Single(UnaryDone d) : done(std::move(d)) {}
    void on_message(std::string_view message) override { answer = message; }
    void on_finished(const absl::Status& status) override {
      done(status, status.ok() ? std::string_view(answer) : std::string_view());
    }
    UnaryDone done;
    std::string answer;
  };
  auto call = start(path, options, std::make_unique<Single>(std::move(done)));
  call->write(std::move(request));
  call->half_close();
  return call;
}

size_t GrpcClient::calls_open() const { return core_->size(); }
bool GrpcClient::connected() const { return core_->connected(); }

}  // namespace holdfast::net
