#include "net/http1_session.h"

#include <algorithm>
#include <boost/beast/http/status.hpp>
#include <ctime>

#include "fmt/format.h"
#include "net/beast_http.h"

namespace holdfast::net {
namespace {

bool may_have_body(int status) { return status >= 200 && status != 204 && status != 304; }

std::string http_date(int64_t unix_nanoseconds) {
  std::time_t seconds = static_cast<std::time_t>(unix_nanoseconds / 1'000'000'000);
  std::tm parts{};
  gmtime_r(&seconds, &parts);
  static constexpr const char* kDays[] = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
  static constexpr const char* kMonths[] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                            "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
  return fmt::format("{}, {:02} {} {} {:02}:{:02}:{:02} GMT", kDays[parts.tm_wday], parts.tm_mday,
                     kMonths[parts.tm_mon], parts.tm_year + 1900, parts.tm_hour, parts.tm_min,
                     parts.tm_sec);
}

// A field from a handler must not be able to end its line.
std::string one_line(std::string_view text) {
  std::string out(text);
  std::replace_if(out.begin(), out.end(), [](char c) { return c == '\r' || c == '\n'; }, ' ');
  return out;
}

}  // namespace

// Beast's grammar, writing straight into the request.
class Http1Session::Parser final : public beast_http::basic_parser<true> {
 public:
  Parser(Http1Session& session, size_t max_header_bytes) : session_(session) {
    header_limit(static_cast<uint32_t>(max_header_bytes));
    body_limit(UINT64_MAX);  // counted by the session, since a sink takes any length
  }

  HttpRequest request;
  bool expects_continue = false;
  bool too_large = false;

 private:
  void on_request_impl(beast_http::verb, beast_view method, beast_view target, int version,
                       error_code& error) override {
    error = {};
    request.method = view(method);
    request.target = view(target);
    request.version = version;
  }
  void on_response_impl(int, beast_view, int, error_code&) override {}
  void on_field_impl(beast_http::field which, beast_view name, beast_view value,
                     error_code& error) override {
    error = {};
    if (which == beast_http::field::expect && boost::beast::iequals(value, "100-continue"))
      expects_continue = true;
    request.fields.emplace_back(view(name), view(value));
  }
  void on_header_impl(error_code& error) override { error = {}; }
  void on_body_init_impl(const boost::optional<uint64_t>&, error_code& error) override {
    error = {};
  }
  size_t on_body_impl(beast_view body, error_code& error) override { return take(body, error); }
  void on_chunk_header_impl(uint64_t, beast_view, error_code& error) override { error = {}; }
  size_t on_chunk_body_impl(uint64_t, beast_view body, error_code& error) override {
    return take(body, error);
  }
  void on_finish_impl(error_code& error) override { error = {}; }

  size_t take(beast_view body, error_code& error) {
    error = {};
    if (session_.sink_) {
      session_.sink_->on_piece(view(body));
    } else if (session_.has_exchange()) {
      std::string& collected = session_.request_body();
      if (collected.size() + body.size() > session_.options_.max_body_bytes) {
        too_large = true;
      } else {
        collected.append(view(body));
      }
    }
    return body.size();
  }

  Http1Session& session_;
};

Http1Session::Http1Session(Connection& connection, HttpHandler& handler, const HttpOptions& options)
    : connection_(connection), handler_(handler), options_(options) {
  next_request();
  arm_timer(options_.read_header_timeout);
}

Http1Session::~Http1Session() = default;

void Http1Session::next_request() {
  parser_ = std::make_unique<Parser>(*this, options_.max_header_bytes);
  sink_.reset();
  phase_ = Phase::idle;
  paused_ = chunked_ = body_done_ = head_request_ = old_client_ = false;
}

bool Http1Session::wants_input() const {
  if (closing_) return false;
  if (phase_ == Phase::answer || (phase_ == Phase::tunnel && !has_exchange()))
    return input_.size() < options_.max_pipelined_bytes;
  return !paused_ || input_.size() < options_.max_pipelined_bytes;
}

void Http1Session::on_input(std::string_view bytes) {
  if (closing_) return;
  input_.append(bytes);
  if (phase_ == Phase::body && !is_unhurried()) arm_timer(options_.read_body_timeout);
  parse();
  publish();
  connection_.flush_soon();
}

void Http1Session::parse() {
  parsing_ = true;
  while (!closing_ && !paused_ && phase_ < Phase::answer && !input_.empty() && parse_some()) {
  }
  if (phase_ == Phase::tunnel) feed_tunnel();
  parsing_ = false;
  publish();
}

bool Http1Session::parse_some() {
  if (phase_ == Phase::idle) {
    phase_ = Phase::head;
    arm_timer(options_.read_header_timeout);
  }
  error_code error;
  size_t used = parser_->put(boost::asio::buffer(input_.data(), input_.size()), error);
  input_.erase(0, used);
  if (error == beast_http::error::need_more) return false;
  if (error == beast_http::error::header_limit) {
    refuse(431, "Request Header Fields Too Large");
    return false;
  }
  if (error) {
    refuse(400, "Bad Request");
    return false;
  }
  if (phase_ == Phase::head && parser_->is_header_done()) head_done();
  if (parser_->too_large) {
    refuse(413, "Request Entity Too Large");
    return false;
  }
  if (phase_ == Phase::body && parser_->is_done()) request_done();
  return used != 0 || parser_->is_done();
}

void Http1Session::head_done() {
  connection_.thread().cancel(std::exchange(timer_, 0));
  HttpRequest& request = parser_->request;
  keep_alive_ = parser_->keep_alive() && !draining_;
  head_request_ = request.method == "HEAD";
  old_client_ = request.version < 11;
  size_t hosts = static_cast<size_t>(
      std::count_if(request.fields.begin(), request.fields.end(), [](const auto& field) {
        return boost::beast::iequals(field.first, "host");
      }));
  if (hosts > 1 || (hosts == 0 && !old_client_)) {
    refuse(400, hosts > 1 ? "Bad Request: too many Host headers"
                          : "Bad Request: missing required Host header");
    return;
  }
  bool has_body = !parser_->is_done();
  auto length = parser_->content_length();
  bool wants_continue = parser_->expects_continue && has_body;
  phase_ = Phase::body;
  request_ = open_exchange(std::move(request), connection_.peer(), connection_.thread());
  if (has_body) {
    sink_ = handler_.receive(request_);
    if (sink_) request_ = HttpExchangeRef();
  }
  if (!sink_ && length && *length > options_.max_body_bytes) {
    refuse(413, "Request Entity Too Large");
    return;
  }
  if (wants_continue && phase_ == Phase::body) output_.append("HTTP/1.1 100 Continue\r\n\r\n");
  if (has_body && !is_unhurried()) arm_timer(options_.read_body_timeout);
}

void Http1Session::request_done() {
  body_done_ = true;
  connection_.thread().cancel(std::exchange(timer_, 0));
  bool answered = !has_exchange();
  phase_ = Phase::answer;
  if (sink_) {
    sink_->on_end();
    if (answered) answer_complete();
  } else if (request_) {
    handler_.handle(std::move(request_));
  }
}

// Our answer to what is not a request we take. The connection ends with it, since where the next request would begin
// is not known.
void Http1Session::refuse(int status, std::string_view text) {
  if (closing_) return;
  cancel_exchange();
  request_ = HttpExchangeRef();
  connection_.thread().cancel(std::exchange(timer_, 0));
  connection_.count_refused();
  keep_alive_ = false;
  closing_ = true;
  std::string body(text);
  auto reason = beast_http::obsolete_reason(beast_http::int_to_status(static_cast<unsigned>(status)));
  output_ += fmt::format(
      "HTTP/1.1 {} {}\r\nContent-Type: text/plain; charset=utf-8\r\nConnection: close\r\n"
      "Content-Length: {}\r\n\r\n{}",
      status, view(reason), body.size(), body);
  connection_.flush_soon();
}

void Http1Session::write_head(int status, const HttpFields& fields, bool chunked,
                              size_t body_size) {
  auto reason = beast_http::obsolete_reason(beast_http::int_to_status(static_cast<unsigned>(status)));
  // Answered before the whole request was read: the rest would be taken for the next one.
  if (!body_done_) keep_alive_ = false;
  output_ += fmt::format("HTTP/1.1 {} {}\r\n", status, view(reason));
  for (const auto& [name, value] : fields)
    output_ += fmt::format("{}: {}\r\n", one_line(name), one_line(value));
  if (!find_field(fields, "date"))
    output_ += fmt::format("Date: {}\r\n",
                           http_date(connection_.thread().clock().unix_nanoseconds()));
  if (chunked) {
    output_ += "Transfer-Encoding: chunked\r\n";
  } else if (may_have_body(status) && !find_field(fields, "content-length") && body_size != SIZE_MAX) {
    output_ += fmt::format("Content-Length: {}\r\n", body_size);
  }
  if (!keep_alive_) {
    output_ += "Connection: close\r\n";
  } else if (old_client_) {
    output_ += "Connection: keep-alive\r\n";
  }
  output_ += "\r\n";
}

void Http1Session::respond(int status, HttpFields fields, std::string body) {
  write_head(status, fields, false, body.size());
  if (!head_request_ && may_have_body(status)) output_ += body;
  answer_complete();
}

void Http1Session::start(int status, HttpFields fields) {
  chunked_ = !old_client_ && may_have_body(status) && !find_field(fields, "content-length");
  if (old_client_) keep_alive_ = false;
  write_head(status, fields, chunked_, SIZE_MAX);
  if (head_request_) chunked_ = false;
  connection_.flush_soon();
}

bool Http1Session::upgrade(HttpFields fields, std::unique_ptr<HttpBodySink> tunnel) {
  if (old_client_ || phase_ != Phase::answer) return false;
  output_ += "HTTP/1.1 101 Switching Protocols\r\n";
  for (const auto& [name, value] : fields)
    output_ += fmt::format("{}: {}\r\n", one_line(name), one_line(value));
  output_ += "\r\n";
  sink_ = std::move(tunnel);
  phase_ = Phase::tunnel;
  keep_alive_ = chunked_ = head_request_ = false;
  parse_soon();  // for what came together with the request
  connection_.flush_soon();
  return true;
}

void Http1Session::feed_tunnel() {
  if (closing_ || paused_ || !sink_ || !has_exchange() || input_.empty()) return;
  const std::string bytes = std::exchange(input_, {});
  sink_->on_piece(bytes);
}

void Http1Session::write(std::string piece) {
  if (head_request_) return;
  if (output_offset_ > kHttpOutboxLowWater) {
    output_.erase(0, output_offset_);
    output_offset_ = 0;
  }
  if (chunked_) output_ += fmt::format("{:x}\r\n", piece.size());
  output_ += piece;
  if (chunked_) output_ += "\r\n";
  report_outbox(output_.size() - output_offset_);
  connection_.flush_soon();
}

void Http1Session::end() {
  if (chunked_) output_ += "0\r\n\r\n";
  answer_complete();
}

void Http1Session::abandon() {
  // Cut without the last chunk, so that the client sees that it is not whole.
  keep_alive_ = false;
  closing_ = true;
  forget_exchange();
  connection_.flush_soon();
}

void Http1Session::answer_complete() {
  forget_exchange();
  connection_.flush_soon();
  if (!body_done_ && phase_ == Phase::body && sink_ == nullptr) {
    closing_ = true;
    return;
  }
  if (!body_done_) {
    closing_ = !keep_alive_;
    return;  // a sink goes on reading; request_done() comes back here
  }
  if (!keep_alive_ || draining_) {
    closing_ = true;
    return;
  }
  parse_soon();
}

// Not from here: the handler is on the stack, and the parser below it.
void Http1Session::parse_soon() {
  if (std::exchange(posted_, true)) return;
  connection_.thread().post([weak = connection_.weak_from_this(), this] {
    auto connection = weak.lock();
    if (!connection || connection->closed()) return;
    posted_ = false;
    if (phase_ == Phase::answer && !has_exchange()) {
      next_request();
      if (options_.idle_timeout.count() > 0) arm_timer(options_.idle_timeout);
    }
    parse();
    connection->flush_soon();
  });
}

void Http1Session::resume_body() {
  if (std::exchange(paused_, false)) parse_soon();
}

bool Http1Session::produce(std::string& out, size_t limit) {
  size_t size = std::min(limit - std::min(limit, out.size()), output_.size() - output_offset_);
  out.append(output_, output_offset_, size);
  output_offset_ += size;
  bool more = output_offset_ < output_.size();
  if (!more) {
    output_ = {};
    output_offset_ = 0;
  }
  report_outbox(output_.size() - output_offset_);
  publish();
  return more;
}

bool Http1Session::on_end_of_input() {
  // As Go's server: a client that ends its side is gone, and a handler still at work is told so.
  return closing_ && !output_.empty();
}

void Http1Session::drain() {
  draining_ = true;
  if (phase_ == Phase::idle || (phase_ == Phase::answer && !has_exchange())) closing_ = true;
}

void Http1Session::arm_timer(env::Duration delay) {
  connection_.thread().cancel(timer_);
  timer_ = connection_.thread().post_after(delay, [this] {
    timer_ = 0;
    connection_.count_refused();
    connection_.close_now();
  });
}

void Http1Session::publish() {
  TrafficCounters& counters = connection_.counters();
  auto publish_one = [](std::atomic<int64_t>& shared, int64_t& published, size_t now) {
    auto value = static_cast<int64_t>(now);
    if (value != published) shared.fetch_add(value - published, std::memory_order_relaxed);
    published = value;
  };
  publish_one(counters.calls_open, published_calls_, has_exchange() ? 1 : 0);
  publish_one(counters.request_bytes_held, published_in_,
              input_.size() + (has_exchange() && request_ ? request_body().size() : 0));
  publish_one(counters.response_bytes_held, published_out_, output_.size() - output_offset_);
}

void Http1Session::on_closed() {
  closing_ = true;
  connection_.thread().cancel(std::exchange(timer_, 0));
  cancel_exchange();
  request_ = HttpExchangeRef();
  if (sink_ && !body_done_) sink_->on_abort();
  sink_.reset();
  input_.clear();
  output_.clear();
  output_offset_ = 0;
  publish();
}

}  // namespace holdfast::net
