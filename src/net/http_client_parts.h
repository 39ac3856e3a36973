// The insides of HttpClient, each owner of its state: the session that carries one exchange after the other
// (http_client_session.cc), and the core that keeps those that wait and connects again (http_client.cc). On the client's
// I/O thread.
#pragma once

#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "fmt/format.h"
#include "net/client_link.h"
#include "net/connection.h"
#include "net/http_client.h"

namespace holdfast::net {

struct HttpClient::Exchange {
  HttpClientRequest request;
  std::optional<HttpClient::Upload> upload;
  std::unique_ptr<HttpClient::Sink> sink;
  HttpClient::Done done;
  env::TimerId timer = 0;
  bool retried = false;
};

class HttpClient::Session final : public Protocol {
 public:
  Session(Core& core, Connection& connection);
  ~Session() override;

  void send(Exchange& exchange);
  // Of the exchange's upload; ignored when there is none.
  void write(const std::string& piece);
  void end();
  size_t outbox_bytes() const { return output_.size() - offset_; }
  void pause(bool paused);
  // The exchange is gone; what still comes for it closes the connection.
  void forget();
  bool usable() const { return !failed_; }
  // It has carried an answer before.
  bool kept() const { return kept_; }

  bool wants_input() const override { return !paused_; }
  void on_input(std::string_view bytes) override;
  bool produce(std::string& out, size_t limit) override;
  bool finished() const override { return failed_; }
  void drain() override { failed_ = true; }
  bool on_end_of_input() override;
  void on_closed() override;

 private:
  class Parser;
  void finish_answer();

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

class HttpClient::Core : public std::enable_shared_from_this<Core> {
 public:
  Core(IoThread& thread, HttpClientOptions options)
      : thread_(thread),
        options_(std::move(options)),
        link_(thread, {options_.address, options_.port, options_.unix_path, options_.local_address, options_.tls,
                       options_.connect_timeout}) {
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
  void on_connected(const absl::Status& status);
  std::unique_ptr<Exchange> take_first();

  IoThread& thread_;
  HttpClientOptions options_;
  ClientLink link_;
  Session* session_ = nullptr;
  std::deque<std::unique_ptr<Exchange>> exchanges_;  // the first is being served
  bool sent_ = false;
  bool shut_ = false;
};

}  // namespace holdfast::net
