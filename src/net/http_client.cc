#include "net/http_client.h"

#include <algorithm>
#include <boost/asio/buffer.hpp>
#include <boost/beast/http/basic_parser.hpp>
#include <boost/beast/http/error.hpp>
#include <deque>

#include "base/errors.h"
#include "fmt/format.h"
#include "net/connection.h"
#include "net/connector.h"

namespace holdfast::net {
namespace {

namespace beast_http = boost::beast::http;
using beast_view = boost::beast::string_view;
using boost::beast::error_code;

std::string_view view(beast_view text) { return {text.data(), text.size()}; }

// Unsent bytes at which the writer of an upload is told that there is room again.
constexpr size_t kUploadLowWater = 64 * 1024;

struct Exchange {
  HttpClientRequest request;
  std::optional<HttpClient::Upload> upload;
  std::unique_ptr<HttpClient::Sink> sink;
  HttpClient::Done done;
  env::TimerId timer = 0;
  bool retried = false;
};

class Parser final : public beast_http::basic_parser<false> {
 public:
  Parser(Exchange& exchange, const HttpClientOptions& options)
      : exchange_(exchange), max_body_(options.max_body_bytes) {
    header_limit(static_cast<uint32_t>(options.max_header_bytes));
    body_limit(UINT64_MAX);
    skip(exchange.request.method == "HEAD");
    eager(true);
  }
  HttpResponse response;
  bool too_large = false;

 private:
  void on_request_impl(beast_http::verb, beast_view, beast_view, int, error_code&) override {}
  void on_response_impl(int status, beast_view, int, error_code& error) override {
    error = {};
    response.status = status;
  }
  void on_field_impl(beast_http::field, beast_view name, beast_view value, error_code& error) override {
    error = {};
    response.fields.emplace_back(view(name), view(value));
  }
  void on_header_impl(error_code& error) override {
    error = {};
    if (streamed()) exchange_.sink->on_head(response);
  }
  void on_body_init_impl(const boost::optional<uint64_t>&, error_code& error) override { error = {}; }
  size_t on_body_impl(beast_view body, error_code& error) override { return take(body, error); }
  void on_chunk_header_impl(uint64_t, beast_view, error_code& error) override { error = {}; }
  size_t on_chunk_body_impl(uint64_t, beast_view body, error_code& error) override {
    return take(body, error);
  }
  void on_finish_impl(error_code& error) override { error = {}; }

  bool streamed() const { return exchange_.sink && response.status / 100 == 2; }
  size_t take(beast_view body, error_code& error) {
    error = {};
    if (streamed()) {
      exchange_.sink->on_piece(view(body));
    } else if (response.body.size() + body.size() > max_body_) {
      too_large = true;
    } else {
      response.body.append(view(body));
    }
    return body.size();
  }

  Exchange& exchange_;
  const size_t max_body_;
};

}  // namespace

class HttpClient::Core : public std::enable_shared_from_this<Core> {
 public:
  Core(IoThread& thread, HttpClientOptions options) : thread_(thread), options_(std::move(options)) {
    if (options_.host.empty()) options_.host = fmt::format("{}:{}", options_.address, options_.port);
  }
  void add(std::unique_ptr<Exchange> exchange);
  void session_lost(Session& session, bool answer_begun);
  void answered(HttpResponse response, bool keep);
  void fail_first(const absl::Status& status);
  void shut();
  void pause(bool paused);
  Session* uploading();
  void upload_opened();
  void upload_drained();
  IoThread& thread() { return thread_; }
  const HttpClientOptions& options() const { return options_; }

 private:
  void next();
  void connect_now();
  void on_connected(const absl::Status& status, std::shared_ptr<Connection> connection);
  std::unique_ptr<Exchange> take_first();

  IoThread& thread_;
  HttpClientOptions options_;
  TrafficCounters counters_;
  std::shared_ptr<TlsContext> tls_;         // shared with connections
  std::shared_ptr<Connection> connection_;  // shared with its pending reads
  Session* session_ = nullptr;
  std::deque<std::unique_ptr<Exchange>> exchanges_;  // the first is being served
  bool connecting_ = false;
  bool sent_ = false;
  bool shut_ = false;
};

class HttpClient::Session final : public Protocol {
 public:
  Session(Core& core, Connection& connection) : core_(core), connection_(connection) {}

  void send(Exchange& exchange) {
    parser_ = std::make_unique<Parser>(exchange, core_.options());
    exchange_ = &exchange;
    begun_ = false;
    const HttpClientRequest& request = exchange.request;
    output_ += fmt::format("{} {} HTTP/1.1\r\n", request.method, request.target);
    if (!find_field(request.fields, "host")) output_ += fmt::format("Host: {}\r\n", core_.options().host);
    for (const auto& [name, value] : request.fields) output_ += fmt::format("{}: {}\r\n", name, value);
    uploading_ = exchange.upload.has_value();
    paused_ = above_low_water_ = false;
    if (uploading_) {
      output_ += "Transfer-Encoding: chunked\r\n";
    } else if (!request.body.empty() || request.method == "POST" || request.method == "PUT") {
      output_ += fmt::format("Content-Length: {}\r\n", request.body.size());
    }
    output_ += "\r\n";
    output_ += request.body;
    connection_.flush_soon();
    if (uploading_) core_.upload_opened();
  }

  void write(const std::string& piece) {
    if (!uploading_ || failed_ || piece.empty()) return;
    if (offset_ > kUploadLowWater) {
      output_.erase(0, offset_);
      offset_ = 0;
    }
    output_ += fmt::format("{:x}\r\n", piece.size());
    output_ += piece;
    output_ += "\r\n";
    above_low_water_ = above_low_water_ || outbox_bytes() > kUploadLowWater;
    connection_.flush_soon();
  }
  void end() {
    if (!std::exchange(uploading_, false) || failed_) return;
    output_ += "0\r\n\r\n";
    connection_.flush_soon();
  }
  size_t outbox_bytes() const { return output_.size() - offset_; }

  bool wants_input() const override { return !paused_; }
  void pause(bool paused) {
    if (std::exchange(paused_, paused) && !paused) connection_.flush_soon();
  }

  void on_input(std::string_view bytes) override {
    if (failed_) return;
    if (!parser_) {
      failed_ = true;  // an answer nobody asked for
      return;
    }
    begun_ = true;
    input_.append(bytes);
    while (!input_.empty() && parser_ && !failed_) {
      error_code error;
      size_t used = parser_->put(boost::asio::buffer(input_), error);
      input_.erase(0, used);
      if (error == beast_http::error::need_more) return;
      if (error || parser_->too_large) {
        failed_ = true;
        return;
      }
      if (parser_->is_done()) finish_answer();
    }
  }
  bool produce(std::string& out, size_t limit) override {
    size_t size = std::min(limit, output_.size() - offset_);
    out.append(output_, offset_, size);
    offset_ += size;
    if (above_low_water_ && outbox_bytes() <= kUploadLowWater) {
      above_low_water_ = false;
      core_.upload_drained();
    }
    if (offset_ < output_.size()) return true;
    output_.clear();
    offset_ = 0;
    return false;
  }
  bool finished() const override { return failed_; }
  void drain() override { failed_ = true; }
  bool on_end_of_input() override {
    error_code error;
    if (parser_ && begun_ && parser_->is_header_done() && parser_->need_eof()) {
      parser_->put_eof(error);
      if (!error) finish_answer();
    }
    return false;
  }
  void on_closed() override {
    failed_ = true;
    core_.session_lost(*this, begun_);
  }
  // The exchange is gone; what still comes for it closes the connection.
  void forget() {
    parser_.reset();
    failed_ = true;
    connection_.flush_soon();
  }
  bool usable() const { return !failed_; }
  // It has carried an answer before.
  bool kept() const { return kept_; }

 private:
  void finish_answer() {
    kept_ = true;
    // 1xx come before the answer.
    int status = parser_->response.status;
    if (status >= 100 && status < 200) {
      parser_ = std::make_unique<Parser>(*exchange_, core_.options());
      return;
    }
    auto parser = std::move(parser_);
    bool keep = parser->keep_alive() && input_.empty() && !uploading_;
    if (!keep) failed_ = true;
    core_.answered(std::move(parser->response), keep);
  }

  Core& core_;
  Connection& connection_;
  std::unique_ptr<Parser> parser_;
  Exchange* exchange_ = nullptr;
  std::string input_, output_;
  size_t offset_ = 0;
  bool begun_ = false;
  bool kept_ = false;
  bool failed_ = false;
  bool paused_ = false;
  bool uploading_ = false;
  bool above_low_water_ = false;
};

void HttpClient::Core::pause(bool paused) {
  if (session_ && sent_) session_->pause(paused);
}

HttpClient::Session* HttpClient::Core::uploading() {
  return session_ && sent_ && !exchanges_.empty() && exchanges_.front()->upload ? session_ : nullptr;
}

// Not from inside the connection's methods: the writer may do anything.
void HttpClient::Core::upload_opened() {
  thread_.post([self = shared_from_this()] {
    if (self->uploading() && self->exchanges_.front()->upload->on_open) self->exchanges_.front()->upload->on_open();
  });
}

void HttpClient::Core::upload_drained() {
  thread_.post([self = shared_from_this()] {
    if (self->uploading() && self->exchanges_.front()->upload->on_drained)
      self->exchanges_.front()->upload->on_drained();
  });
}

void HttpClient::Core::add(std::unique_ptr<Exchange> exchange) {
  if (exchanges_.size() > options_.max_waiting) {
    thread_.post([e = std::move(exchange)]() mutable {
      e->done(make_status(absl::StatusCode::kResourceExhausted, "too many requests wait for the connection"), {});
    });
    return;
  }
  if (exchange->request.timeout) {
    exchange->timer = thread_.post_after(*exchange->request.timeout, [this, e = exchange.get()] {
      e->timer = 0;
      auto late = make_status(absl::StatusCode::kDeadlineExceeded, "context deadline exceeded");
      if (exchanges_.front().get() == e) {
        fail_first(late);
        return;
      }
      auto it = std::find_if(exchanges_.begin(), exchanges_.end(), [&](auto& x) { return x.get() == e; });
      auto taken = std::move(*it);
      exchanges_.erase(it);
      taken->done(late, {});
    });
  }
  exchanges_.push_back(std::move(exchange));
  if (exchanges_.size() == 1) next();
}

void HttpClient::Core::next() {
  sent_ = false;
  if (exchanges_.empty() || shut_) return;
  if (session_ && session_->usable()) {
    sent_ = true;
    session_->send(*exchanges_.front());
  } else if (!connecting_) {
    connect_now();
  }
}

std::unique_ptr<Exchange> HttpClient::Core::take_first() {
  auto exchange = std::move(exchanges_.front());
  exchanges_.pop_front();
  thread_.cancel(std::exchange(exchange->timer, 0));
  return exchange;
}

void HttpClient::Core::answered(HttpResponse response, bool keep) {
  auto keep_alive = shared_from_this();
  auto exchange = take_first();
  if (!keep) session_ = nullptr;
  // The next request may come from done(), or be waiting already: it must not find the parser on the stack.
  thread_.post([self = keep_alive] {
    if (!self->sent_) self->next();
  });
  sent_ = false;
  exchange->done(absl::OkStatus(), std::move(response));
}

void HttpClient::Core::fail_first(const absl::Status& status) {
  auto keep_alive = shared_from_this();
  auto exchange = take_first();
  if (sent_ && session_) {
    session_->forget();
    session_ = nullptr;
  }
  sent_ = false;
  thread_.post([self = keep_alive] {
    if (!self->sent_) self->next();
  });
  exchange->done(status, {});
}

void HttpClient::Core::session_lost(Session& session, bool answer_begun) {
  if (session_ != &session) return;
  session_ = nullptr;
  if (!sent_ || exchanges_.empty()) return;
  Exchange& first = *exchanges_.front();
  if (const std::string& error = connection_->tls_error(); !error.empty())
    return fail_first(make_status(absl::StatusCode::kUnavailable, error));
  const bool safe = first.request.method == "GET" || first.request.method == "HEAD";
  if (safe && session.kept() && !answer_begun && !std::exchange(first.retried, true)) {
    next();
    return;
  }
  fail_first(make_status(absl::StatusCode::kUnavailable, "connection lost: EOF"));
}

void HttpClient::Core::connect_now() {
  if (options_.tls && (!tls_ || options_.tls->cache)) {  // a cache knows of files that were replaced
    auto tls = TlsContext::for_client(*options_.tls);
    if (!tls.ok()) {
      thread_.post([self = shared_from_this(), status = tls.status()] {
        if (!self->exchanges_.empty()) self->fail_first(status);
      });
      return;
    }
    tls_ = *tls;
  }
  connecting_ = true;
  connect({.address = options_.address,
           .port = options_.port,
           .unix_path = options_.unix_path,
           .local_address = options_.local_address,
           .tls = tls_,
           .timeout = options_.connect_timeout},
          {.thread = thread_, .counters = counters_, .on_gone = [self = shared_from_this()](Connection&) {}},
          [self = shared_from_this()](absl::Status status, std::shared_ptr<Connection> connection) {
            self->on_connected(status, std::move(connection));
          });
}

void HttpClient::Core::on_connected(const absl::Status& status,
                                    std::shared_ptr<Connection> connection) {
  connecting_ = false;
  if (shut_) {
    if (connection) connection->close_now();
    return;
  }
  if (!status.ok()) {
    if (!exchanges_.empty()) fail_first(status);
    return;
  }
  connection_ = std::move(connection);
  connection_->set_write_timeout(options_.write_timeout);
  auto session = std::make_unique<Session>(*this, *connection_);
  session_ = session.get();
  connection_->start(std::move(session));
  next();
}

void HttpClient::Core::shut() {
  shut_ = true;
  session_ = nullptr;
  if (connection_) connection_->close_now();
  connection_.reset();
  for (auto& exchange : exchanges_) thread_.cancel(std::exchange(exchange->timer, 0));
  exchanges_.clear();
}

HttpClient::HttpClient(IoThread& thread, HttpClientOptions options)
    : core_(std::make_shared<Core>(thread, std::move(options))) {}

HttpClient::~HttpClient() {
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

void HttpClient::send(HttpClientRequest request, Done done) {
  send(std::move(request), nullptr, std::move(done));
}

void HttpClient::send(HttpClientRequest request, std::unique_ptr<Sink> sink, Done done) {
  auto exchange = std::make_unique<Exchange>();
  exchange->request = std::move(request);
  exchange->sink = std::move(sink);
  exchange->done = std::move(done);
  core_->add(std::move(exchange));
}

void HttpClient::pause() { core_->pause(true); }
void HttpClient::resume() { core_->pause(false); }

void HttpClient::upload(HttpClientRequest request, Upload upload, Done done) {
  auto exchange = std::make_unique<Exchange>();
  exchange->request = std::move(request);
  exchange->upload = std::move(upload);
  exchange->done = std::move(done);
  core_->add(std::move(exchange));
}

void HttpClient::write(std::string piece) {
  if (Session* session = core_->uploading()) session->write(piece);
}

void HttpClient::end() {
  if (Session* session = core_->uploading()) session->end();
}

size_t HttpClient::outbox_bytes() const {
  const Session* session = core_->uploading();
  return session ? session->outbox_bytes() : 0;
}

}  // namespace holdfast::net
