// A server of the kinds of methods that tests call, on real sockets.
#pragma once

#include <chrono>
#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "base/log.h"
#include "net/listener.h"

namespace holdfast::net {

class SystemClock final : public env::Clock {
 public:
  env::Instant now() const override {
    return {std::chrono::steady_clock::now().time_since_epoch().count()};
  }
  int64_t unix_nanoseconds() const override {
    return std::chrono::system_clock::now().time_since_epoch().count();
  }
};

// bidi: sends each message back; answers the half-close with OK.
class EchoSession final : public StreamSession {
 public:
  explicit EchoSession(StreamCallRef call) : call_(std::move(call)) {}
  void on_message(std::string_view message) override { call_->write(std::string(message)); }
  void on_half_close() override { call_->finish(absl::OkStatus()); }

 private:
  StreamCallRef call_;
};

// server_stream: the request is "<count> <size>"; sends that many messages of that size, never holding more than
// 256 KiB of them.
class FloodSession final : public StreamSession {
 public:
  explicit FloodSession(StreamCallRef call) : call_(std::move(call)) {}
  void on_message(std::string_view message) override {
    std::string text(message);
    size_t space = text.find(' ');
    left_ = std::stoul(text.substr(0, space));
    size_ = std::stoul(text.substr(space + 1));
    produce();
  }
  void on_half_close() override {}
  void on_drained() override { produce(); }

 private:
  void produce() {
    while (left_ > 0 && call_->outbox_bytes() < 256 * 1024) {
      --left_;
      call_->write(std::string(size_, 'x'));
    }
    if (left_ == 0) call_->finish(absl::OkStatus());
  }
  StreamCallRef call_;
  size_t left_ = 0, size_ = 0;
};

class EchoHttp final : public HttpHandler {
 public:
  void handle(HttpExchangeRef exchange) override {
    const HttpRequest& request = exchange->request();
    if (request.path() == "/echo") {
      exchange->respond(200, {{"Content-Type", "application/octet-stream"}}, request.body);
    } else if (request.path() == "/chunks") {
      exchange->start(200, {{"Content-Type", "text/plain"}});
      for (int i = 0; i < 3; ++i) exchange->write("piece " + std::to_string(i) + "\n");
      exchange->end();
    } else if (request.path() == "/later") {
      exchange->executor().post([exchange] { exchange->respond(200, {}, "later\n"); });
    } else if (request.path() == "/hang") {
      std::lock_guard lock(mutex_);
      hanging_.push_back(exchange);
    } else if (request.path() == "/peer") {
      exchange->respond(200, {}, exchange->peer().common_name +
                                     (exchange->peer().certificate_verified ? " verified" : ""));
    } else if (request.path() == "/drop") {
    } else {
      exchange->respond(404, {{"Content-Type", "text/plain; charset=utf-8"}}, "404 page not found\n");
    }
  }
  void release_hanging() {
    std::lock_guard lock(mutex_);
    hanging_.clear();
  }

 private:
  std::mutex mutex_;
  std::vector<HttpExchangeRef> hanging_;
};

struct EchoServer {
  explicit EchoServer(size_t threads = 1, ListenerOptions listener_options = {},
                      GrpcOptions grpc_options = {}, GrpcObserver* observer = nullptr)
      : pool(clock, threads), grpc(grpc_options, observer) {
    grpc.register_unary("/test.Echo/Unary", [](UnaryCallRef call) {
      call->finish(std::string(call->request()));
    });
    grpc.register_unary("/test.Echo/Fail", [](UnaryCallRef call) {
      call->finish(absl::Status(absl::StatusCode::kFailedPrecondition, "because: 100% ü"));
    });
    grpc.register_unary("/test.Echo/Drop", [](UnaryCallRef) {});
    grpc.register_unary("/test.Echo/Hang", [this](UnaryCallRef call) {
      call->on_cancel([this] { cancelled.fetch_add(1); });
      std::lock_guard lock(mutex);
      hanging.push_back(std::move(call));
    });
    grpc.register_unary("/test.Echo/Metadata", [](UnaryCallRef call) {
      std::string key(call->request());
      call->add_header("seen", key);
      call->add_header("raw-bin", std::string("\0\1\2\xff", 4));
      call->add_trailer("after", "all");
      call->finish(std::string(call->metadata(key).value_or("<none>")));
    });
    grpc.register_stream("/test.Echo/Bidi", MethodKind::bidi_stream, [](StreamCallRef call) {
      return std::make_unique<EchoSession>(std::move(call));
    });
    grpc.register_stream("/test.Echo/Flood", MethodKind::server_stream, [](StreamCallRef call) {
      return std::make_unique<FloodSession>(std::move(call));
    });
    listener = std::make_unique<Listener>(pool, std::move(listener_options), log, &grpc, &http);
    pool.start();
    started = listener->start();
  }
  ~EchoServer() {
    release_hanging();
    http.release_hanging();
    listener.reset();
    pool.stop();
  }
  void release_hanging() {
    std::lock_guard lock(mutex);
    hanging.clear();
  }

  SystemClock clock;
  NullLogger log;
  std::mutex mutex;
  std::vector<UnaryCallRef> hanging;
  std::atomic<int> cancelled{0};
  IoPool pool;
  GrpcServer grpc;
  EchoHttp http;
  std::unique_ptr<Listener> listener;
  absl::Status started;
};

}  // namespace holdfast::net
