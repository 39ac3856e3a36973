// HTTP/1.1's server side on one connection: one request at a time, in order.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "net/connection.h"
#include "net/http.h"
#include "net/http_stream.h"

namespace holdfast::net {

class Http1Session final : public Protocol, private HttpStream {
 public:
  Http1Session(Connection& connection, HttpHandler& handler, const HttpOptions& options);
  ~Http1Session() override;

  // Protocol
  void on_input(std::string_view bytes) override;
  bool produce(std::string& out, size_t limit) override;
  bool finished() const override { return closing_ && output_.empty(); }
  bool wants_input() const override;
  bool on_end_of_input() override;
  void drain() override;
  void on_closed() override;

 private:
  class Parser;
  // What the connection is waiting for.
  enum class Phase : uint8_t { idle, head, body, answer, tunnel };

  // HttpStream
  void respond(int status, HttpFields fields, std::string body) override;
  void start(int status, HttpFields fields) override;
  bool upgrade(HttpFields fields, std::unique_ptr<HttpBodySink> tunnel) override;
  void write(std::string piece) override;
  void end() override;
  void abandon() override;
  void pause_body() override { paused_ = true; }
  void resume_body() override;

  void parse();
  // False: nothing more can be done with the input there is.
  bool parse_some();
  bool is_unhurried() const { return sink_ && sink_->is_unhurried(); }
  void feed_tunnel();
  void head_done();
  void request_done();
  void next_request();
  void refuse(int status, std::string_view text);
  void write_head(int status, const HttpFields& fields, bool chunked, size_t body_size);
  void answer_complete();
  void parse_soon();
  void arm_timer(env::Duration delay);
  void publish();

  Connection& connection_;
  HttpHandler& handler_;
  const HttpOptions& options_;
  std::unique_ptr<Parser> parser_;
  std::unique_ptr<HttpBodySink> sink_;
  HttpExchangeRef request_;  // until it is handed to the handler
  Phase phase_ = Phase::idle;
  std::string input_;        // not parsed yet: part of a head, or pipelined requests
  std::string output_;
  size_t output_offset_ = 0;
  env::TimerId timer_ = 0;
  bool parsing_ = false;
  bool paused_ = false;
  bool keep_alive_ = true;
  bool head_request_ = false;
  bool old_client_ = false;  // HTTP/1.0
  bool chunked_ = false;
  bool body_done_ = false;
  bool draining_ = false;
  bool closing_ = false;     // after the output
  bool posted_ = false;
  int64_t published_calls_ = 0, published_in_ = 0, published_out_ = 0;
};

}  // namespace holdfast::net
