// An HTTP/2 stream whose request is not gRPC: served by the listener's HttpHandler.
#pragma once

#include <nghttp2/nghttp2.h>

#include <memory>
#include <string>
#include <string_view>

#include "net/http_stream.h"

namespace holdfast::net {

class Http2Session;

class Http2HttpStream final : public HttpStream {
 public:
  Http2HttpStream(Http2Session& session, int32_t id) : session_(session), id_(id) {}

  void on_head(std::string_view method, std::string_view target, const HeaderFields& fields);
  void on_data(std::string_view bytes);
  void on_end();
  void on_closed();
  // How many bytes of the last on_data() must not be given back to the client's window yet.
  size_t take_withheld() { return std::exchange(withheld_, 0); }

  void respond(int status, HttpFields fields, std::string body) override;
  void start(int status, HttpFields fields) override;
  void write(std::string piece) override;
  void end() override;
  void abandon() override;
  void pause_body() override { paused_ = true; }
  void resume_body() override;

 private:
  void begin_body();
  void deliver_waiting();
  void submit(int status, const HttpFields& fields, bool with_body);
  ssize_t produce(uint8_t* to, size_t max, uint32_t* flags);
  void resume_output();

  Http2Session& session_;
  const int32_t id_;
  HttpExchangeRef request_;  // until the request is handed over
  std::unique_ptr<HttpBodySink> sink_;
  std::string waiting_;  // body bytes that arrived while paused; at most a stream window
  size_t withheld_ = 0;
  bool head_request_ = false;
  bool body_begun_ = false;
  bool paused_ = false;
  bool end_waiting_ = false;
  bool sink_ended_ = false;
  bool refused_ = false;
  std::string output_;
  size_t output_offset_ = 0;
  bool output_deferred_ = false;
  bool ended_ = false;
  std::shared_ptr<Http2HttpStream*> self_ = std::make_shared<Http2HttpStream*>(this);  // shared with posted tasks
};

}  // namespace holdfast::net
