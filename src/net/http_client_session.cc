#include <algorithm>
#include <utility>

#include "net/beast_http.h"
#include "net/http_client_parts.h"

namespace holdfast::net {
namespace {

// Unsent bytes at which the writer of an upload is told that there is room again.
constexpr size_t kUploadLowWater = 64 * 1024;

}  // namespace

class HttpClient::Session::Parser final : public beast_http::basic_parser<false> {
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

HttpClient::Session::Session(Core& core, Connection& connection) : core_(core), connection_(connection) {}
HttpClient::Session::~Session() = default;

void HttpClient::Session::send(Exchange& exchange) {
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

void HttpClient::Session::write(const std::string& piece) {
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

void HttpClient::Session::end() {
  if (!std::exchange(uploading_, false) || failed_) return;
  output_ += "0\r\n\r\n";
  connection_.flush_soon();
}

void HttpClient::Session::pause(bool paused) {
  if (std::exchange(paused_, paused) && !paused) connection_.flush_soon();
}

void HttpClient::Session::on_input(std::string_view bytes) {
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

bool HttpClient::Session::produce(std::string& out, size_t limit) {
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

bool HttpClient::Session::on_end_of_input() {
  error_code error;
  if (parser_ && begun_ && parser_->is_header_done() && parser_->need_eof()) {
    parser_->put_eof(error);
    if (!error) finish_answer();
  }
  return false;
}

void HttpClient::Session::on_closed() {
  failed_ = true;
  core_.session_lost(*this, begun_);
}

void HttpClient::Session::forget() {
  parser_.reset();
  failed_ = true;
  connection_.flush_soon();
}

void HttpClient::Session::finish_answer() {
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

}  // namespace holdfast::net
