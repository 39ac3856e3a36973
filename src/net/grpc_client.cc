#include "net/grpc_client.h"

#include <nghttp2/nghttp2.h>

#include <algorithm>
#include <array>
#include <cstring>

#include "base/check.h"
#include "base/errors.h"
#include "fmt/format.h"
#include "net/block_cache.h"
#include "net/connection.h"
#include "net/connector.h"
#include "net/grpc_wire.h"

namespace holdfast::net {
namespace {

using absl::StatusCode;

// Headers and trailers of an answer that a client takes; above, the call fails.
constexpr size_t kMaxHeaderListBytes = 64 * 1024;
// Header fields of a call besides its metadata, at most; and what a good answer's headers and trailers are.
constexpr size_t kFieldsOfCall = 8;
constexpr size_t kFieldsOfAnswer = 3;
constexpr size_t kFieldBytesOfAnswer = 64;

std::string_view view(const uint8_t* data, size_t size) {
  return {reinterpret_cast<const char*>(data), size};
}

nghttp2_nv field(std::string_view name, std::string_view value, uint8_t flags = NGHTTP2_NV_FLAG_NONE) {
  return {reinterpret_cast<uint8_t*>(const_cast<char*>(name.data())),
          reinterpret_cast<uint8_t*>(const_cast<char*>(value.data())), name.size(), value.size(),
          flags};
}

// What an answer without grpc-status means (grpc/doc/http-grpc-status-mapping.md).
StatusCode code_for_http(std::string_view status) {
  if (status == "400") return StatusCode::kInternal;
  if (status == "401") return StatusCode::kUnauthenticated;
  if (status == "403") return StatusCode::kPermissionDenied;
  if (status == "404") return StatusCode::kUnimplemented;
  if (status == "429" || status == "502" || status == "503" || status == "504")
    return StatusCode::kUnavailable;
  return StatusCode::kUnknown;
}

}  // namespace

class GrpcClient::Stream final : public ClientCall, public std::enable_shared_from_this<Stream> {
 public:
  Stream(Core& core, std::string_view path, const CallOptions& options,
         std::unique_ptr<ClientCallEvents> events)
      : core_(&core), path_(path), options_(options), events_(std::move(events)) {}

  void write(OutMessage message) override;
  void half_close() override;
  void cancel() override;
  size_t outbox_bytes() const override { return outbox_bytes_; }
  std::optional<std::string> metadata(std::string_view key) const override {
    auto value = fields_.find(key);
    if (!value) return std::nullopt;
    if (key.ends_with("-bin")) return decode_base64(*value);
    return std::string(*value);
  }

  bool submit(Session& session);
  void on_header(std::string_view name, std::string_view value);
  void on_data(std::string_view bytes);
  void on_closed(uint32_t error);
  ssize_t produce(size_t max, uint32_t* flags);
  void write_frame(const uint8_t* header, size_t size, std::string& out);
  void finish(const absl::Status& status);

  int32_t id = 0;
  size_t index = 0;  // in the core's list

 private:
  friend class Core;
  struct Outgoing {
    char prefix[MessageReader::kPrefixBytes];
    OutMessage message;
    size_t size() const { return sizeof prefix + message.size(); }
  };
  void resume();
  absl::Status final_status(uint32_t error) const;

  Core* core_;  // null once finished
  std::string path_;
  CallOptions options_;
  std::unique_ptr<ClientCallEvents> events_;
  Session* session_ = nullptr;
  env::TimerId timer_ = 0;
  HeaderFields fields_;
  size_t header_bytes_ = 0;
  MessageReader reader_;
  absl::Status read_error_;
  std::vector<Outgoing> outbox_;
  size_t outbox_first_ = 0, first_offset_ = 0, outbox_bytes_ = 0;
  bool half_closed_ = false;
  bool closed_ = false;  // by nghttp2, which knows it no more
  bool deferred_ = false;
  bool above_low_water_ = false;
};

class GrpcClient::Session final : public Protocol {
 public:
  Session(Core& core, Connection& connection);
  ~Session() override {
    connection_.thread().cancel(std::exchange(keepalive_timer_, 0));
    nghttp2_session_del(session_);
  }

  void on_input(std::string_view bytes) override;
  bool produce(std::string& out, size_t limit) override;
  bool finished() const override {
    return failed_ || (!nghttp2_session_want_read(session_) && !nghttp2_session_want_write(session_));
  }
  void drain() override { failed_ = true; }
  void on_closed() override;

  nghttp2_session* get() { return session_; }
  void flush_soon() { connection_.flush_soon(); }
  bool usable() const { return !failed_ && !going_away_; }

 private:
  struct Callbacks;
  void watch_silence(env::Instant when);
  void check_silence();

  Core& core_;
  Connection& connection_;
  env::TimerId keepalive_timer_ = 0;
  env::Instant last_heard_{};
  bool ping_unanswered_ = false;
  BlockCache memory_;
  nghttp2_session* session_ = nullptr;
  std::string* out_ = nullptr;
  size_t out_limit_ = 0;
  bool failed_ = false;
  bool going_away_ = false;
};

class GrpcClient::Core : public std::enable_shared_from_this<Core> {
 public:
  Core(IoThread& thread, GrpcClientOptions options)
      : thread_(thread), options_(std::move(options)) {
    if (options_.authority.empty())
      options_.authority = fmt::format("{}:{}", options_.address, options_.port);
  }

  void add(std::shared_ptr<Stream> stream);
  void remove(Stream& stream);
  void session_lost(Session& session, const absl::Status& why);
  void shut();

  IoThread& thread() { return thread_; }
  const GrpcClientOptions& options() const { return options_; }
  size_t size() const { return streams_.size(); }
  bool connected() const { return session_ != nullptr; }

 private:
  void connect_now();
  void on_connected(const absl::Status& status, std::shared_ptr<Connection> connection);
  void fail_all(const absl::Status& why, Session* of);

  IoThread& thread_;
  GrpcClientOptions options_;
  TrafficCounters counters_;
  std::shared_ptr<TlsContext> tls_;         // shared with connections
  std::shared_ptr<Connection> connection_;  // shared with its pending reads
  Session* session_ = nullptr;
  std::vector<std::shared_ptr<Stream>> streams_;  // shared with the calls' owners
  bool connecting_ = false;
  bool shut_ = false;
};

// ---- Stream

bool GrpcClient::Stream::submit(Session& session) {
  std::vector<nghttp2_nv> list;
  list.reserve(kFieldsOfCall + options_.metadata.size());
  constexpr uint8_t kFixed = NGHTTP2_NV_FLAG_NO_COPY_NAME | NGHTTP2_NV_FLAG_NO_COPY_VALUE;
  list.push_back(field(":method", "POST", kFixed));
  list.push_back(field(":scheme", core_->options().tls ? "https" : "http", kFixed));
  list.push_back(field(":path", path_));
  list.push_back(field(":authority", core_->options().authority));
  list.push_back(field("content-type", "application/grpc", kFixed));
  list.push_back(field("te", "trailers", kFixed));
  list.push_back(field("user-agent", "holdfast", kFixed));
  std::string timeout;
  if (options_.timeout) {
    timeout = format_grpc_timeout(*options_.timeout);
    list.push_back(field("grpc-timeout", timeout, NGHTTP2_NV_FLAG_NO_INDEX));
  }
  for (auto& [name, value] : options_.metadata) {
    if (name.ends_with("-bin")) value = encode_base64(value);
    list.push_back(field(name, value));
  }
  nghttp2_data_provider provider;
  provider.source.ptr = this;
  provider.read_callback = [](nghttp2_session*, int32_t, uint8_t*, size_t max, uint32_t* flags,
                              nghttp2_data_source* source, void*) -> ssize_t {
    return static_cast<Stream*>(source->ptr)->produce(max, flags);
  };
  reader_.reset(core_->options().max_receive_message_bytes, "");
  fields_.fields.reserve(kFieldsOfAnswer);
  fields_.text.reserve(kFieldBytesOfAnswer);
  id = nghttp2_submit_request(session.get(), nullptr, list.data(), list.size(), &provider, this);
  if (id < 0) return false;
  session_ = &session;
  session.flush_soon();
  return true;
}

void GrpcClient::Stream::write(OutMessage message) {
  if (!core_ || half_closed_) return;
  outbox_.emplace_back();
  write_message_prefix(outbox_.back().prefix, message.size());
  outbox_.back().message = std::move(message);
  outbox_bytes_ += outbox_.back().size();
  if (outbox_bytes_ > core_->options().outbox_low_water_bytes) above_low_water_ = true;
  resume();
}

void GrpcClient::Stream::half_close() {
  half_closed_ = true;
  resume();
}

void GrpcClient::Stream::resume() {
  if (!session_) return;
  if (std::exchange(deferred_, false)) nghttp2_session_resume_data(session_->get(), id);
  session_->flush_soon();
}

void GrpcClient::Stream::cancel() {
  if (!core_) return;
  core_->thread().post([self = shared_from_this()] {
    self->finish(make_status(StatusCode::kCancelled, "context canceled"));
  });
}

ssize_t GrpcClient::Stream::produce(size_t max, uint32_t* flags) {
  size_t size = std::min(max, outbox_bytes_);
  if (size == outbox_bytes_ && half_closed_) *flags |= NGHTTP2_DATA_FLAG_EOF;
  if (size != 0) {
    *flags |= NGHTTP2_DATA_FLAG_NO_COPY;
  } else if (!half_closed_) {
    deferred_ = true;
    return NGHTTP2_ERR_DEFERRED;
  }
  return static_cast<ssize_t>(size);
}

void GrpcClient::Stream::write_frame(const uint8_t* header, size_t size, std::string& out) {
  out.append(reinterpret_cast<const char*>(header), 9);
  outbox_bytes_ -= size;
  while (size != 0) {
    Outgoing& first = outbox_[outbox_first_];
    size_t offset = first_offset_;
    for (std::string_view part : {std::string_view(first.prefix, sizeof first.prefix),
                                  std::string_view(first.message.head), first.message.tail.view()}) {
      if (offset >= part.size()) {
        offset -= part.size();
        continue;
      }
      std::string_view piece = part.substr(offset, size);
      out.append(piece);
      size -= piece.size();
      first_offset_ += piece.size();
      offset = 0;
      if (size == 0) break;
    }
    if (first_offset_ != first.size()) continue;
    first.message = {};
    first_offset_ = 0;
    if (++outbox_first_ == outbox_.size() || outbox_first_ == 256) {
      outbox_.erase(outbox_.begin(), outbox_.begin() + static_cast<ptrdiff_t>(outbox_first_));
      outbox_first_ = 0;
    }
  }
  if (above_low_water_ && outbox_bytes_ <= core_->options().outbox_low_water_bytes) {
    above_low_water_ = false;
    core_->thread().post([self = shared_from_this()] {
      if (self->core_) self->events_->on_drained();
    });
  }
}

void GrpcClient::Stream::on_header(std::string_view name, std::string_view value) {
  header_bytes_ += name.size() + value.size() + 32;
  if (header_bytes_ <= kMaxHeaderListBytes) fields_.add(name, value);
}

void GrpcClient::Stream::on_data(std::string_view bytes) {
  auto keep = shared_from_this();
  while (!bytes.empty() && core_ && read_error_.ok()) {
    switch (reader_.consume(bytes)) {
      case MessageReader::Event::need_more:
        break;
      case MessageReader::Event::message:
        events_->on_message(reader_.message());
        break;
      case MessageReader::Event::failed:
        read_error_ = reader_.error();
        core_->thread().post([keep] { keep->finish(keep->read_error_); });
        break;
    }
  }
}

absl::Status GrpcClient::Stream::final_status(uint32_t error) const {
  if (auto code = fields_.find("grpc-status")) {
    StatusCode c = grpc_code(*code);
    if (c == StatusCode::kOk) return absl::OkStatus();
    return make_status(c, percent_decode(fields_.find("grpc-message").value_or("")));
  }
  if (error == NGHTTP2_REFUSED_STREAM)
    return make_status(StatusCode::kUnavailable, "stream refused by the server");
  if (error == NGHTTP2_CANCEL) return make_status(StatusCode::kCancelled, "stream cancelled by the server");
  auto http = fields_.find(":status");
  if (error == NGHTTP2_NO_ERROR && http && *http != "200")
    return make_status(code_for_http(*http), fmt::format("unexpected HTTP status code received from server: {}", *http));
  return make_status(StatusCode::kInternal,
                     fmt::format("stream terminated by RST_STREAM with error code: {}",
                                 nghttp2_http2_strerror(error)));
}

void GrpcClient::Stream::on_closed(uint32_t error) {
  session_ = nullptr;
  closed_ = true;
  finish(final_status(error));
}

void GrpcClient::Stream::finish(const absl::Status& status) {
  if (!core_) return;
  auto keep = shared_from_this();
  Core& core = *std::exchange(core_, nullptr);
  core.thread().cancel(std::exchange(timer_, 0));
  if (session_) {
    nghttp2_session_set_stream_user_data(session_->get(), id, nullptr);
    nghttp2_submit_rst_stream(session_->get(), NGHTTP2_FLAG_NONE, id, NGHTTP2_CANCEL);
    session_->flush_soon();
    session_ = nullptr;
  }
  auto events = std::move(events_);
  // nghttp2 may still hold this as a data source until the reset is sent.
  if (!closed_) core.thread().post([keep] {});
  core.remove(*this);
  events->on_finished(status);
}

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
  core_.session_lost(*this, make_status(StatusCode::kUnavailable, "error reading from server: EOF"));
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
  } else if (!connecting_) {
    connect_now();
  }
}

void GrpcClient::Core::remove(Stream& stream) {
  size_t index = stream.index;
  std::swap(streams_[index], streams_.back());
  streams_[index]->index = index;
  streams_.pop_back();
}

void GrpcClient::Core::connect_now() {
  if (options_.tls && !tls_) {
    auto tls = TlsContext::for_client(*options_.tls);
    if (!tls.ok()) {
      thread_.post([self = shared_from_this(), status = tls.status()] {
        self->fail_all(status, nullptr);
      });
      return;
    }
    tls_ = *tls;
  }
  connecting_ = true;
  connect({.address = options_.address,
           .port = options_.port,
           .unix_path = options_.unix_path,
           .tls = tls_,
           .timeout = options_.connect_timeout},
          {.thread = thread_, .counters = counters_, .on_gone = [self = shared_from_this()](Connection&) {}},
          [self = shared_from_this()](absl::Status status, std::shared_ptr<Connection> connection) {
            self->on_connected(status, std::move(connection));
          });
}

void GrpcClient::Core::on_connected(const absl::Status& status,
                                    std::shared_ptr<Connection> connection) {
  connecting_ = false;
  if (!status.ok() || shut_) {
    if (connection) connection->close_now();
    fail_all(status, nullptr);
    return;
  }
  connection_ = std::move(connection);
  auto session = std::make_unique<Session>(*this, *connection_);
  session_ = session.get();
  connection_->start(std::move(session));
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
  shut_ = true;
  for (auto& stream : std::exchange(streams_, {})) {
    thread_.cancel(std::exchange(stream->timer_, 0));
    stream->core_ = nullptr;
    stream->session_ = nullptr;
    stream->events_.reset();
  }
  session_ = nullptr;
  if (connection_) connection_->close_now();
  connection_.reset();
}

// ---- Client

GrpcClient::GrpcClient(IoThread& thread, GrpcClientOptions options)
    : core_(std::make_shared<Core>(thread, std::move(options))) {}

GrpcClient::~GrpcClient() {
  // Also when the thread has ended and destroys the task unrun.
  struct Shut {
    std::shared_ptr<Core> core;
    explicit Shut(std::shared_ptr<Core> c) : core(std::move(c)) {}
    Shut(Shut&&) = default;
    ~Shut() {
      if (core) core->shut();
    }
    void operator()() { std::exchange(core, nullptr)->shut(); }
  };
  Shut shut(core_);
  if (!core_->thread().running_here()) core_->thread().post(std::move(shut));
}

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
