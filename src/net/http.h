// HTTP requests that are not gRPC: HTTP/1.1, and HTTP/2 where the listener allows it. One HttpHandler per listener; which
// path means what is its business.
#pragma once

#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/task.h"
#include "net/grpc_call.h"
#include "net/io_thread.h"
#include "net/peer_info.h"

namespace holdfast::net {

using HttpFields = std::vector<std::pair<std::string, std::string>>;

// First value of a field, name compared without case.
std::optional<std::string_view> find_field(const HttpFields& fields, std::string_view name);

struct HttpRequest {
  std::string method;  // as sent: "GET"
  std::string target;  // as sent, in origin form: "/health?serializable=true"
  int version = 11;    // 10, 11 or 20
  HttpFields fields;   // HTTP/2's :authority appears as "host"
  std::string body;    // whole, unless the handler chose to get it in pieces

  std::string_view path() const { return std::string_view(target).substr(0, target.find('?')); }
  std::string_view query() const {
    auto mark = target.find('?');
    return mark == std::string::npos ? std::string_view() : std::string_view(target).substr(mark + 1);
  }
  std::optional<std::string_view> field(std::string_view name) const {
    return find_field(fields, name);
  }
};

class HttpBodySink;
class HttpStream;  // the connection's side

// One request and its answer. Threads and lifetime as for net::Call: methods on the I/O thread (exchange->executor());
// handles may travel; answering an exchange whose client is gone does nothing. Dropped unanswered: 500.
class HttpExchange {
 public:
  HttpExchange(const HttpExchange&) = delete;
  HttpExchange& operator=(const HttpExchange&) = delete;

  const HttpRequest& request() const { return request_; }  // any thread
  const PeerInfo& peer() const { return *peer_; }          // any thread
  IoThread& executor() const { return *thread_; }          // any thread
  bool cancelled() const { return cancelled_.load(std::memory_order_acquire); }  // any thread
  // Runs once if the client goes away before the answer is complete.
  void on_cancel(Task hook);

  // The whole answer. Content-Length, Date and the framing are added.
  void respond(int status, HttpFields fields, std::string body);
  // An answer in pieces: start, write any number of times, end. Each piece is sent at once (chunked on HTTP/1.1; to an
  // HTTP/1.0 client unframed until close).
  void start(int status, HttpFields fields);
  void write(std::string piece);
  void end();
  // Answers 101: from now on the connection belongs to another protocol (`fields` say which). What the client sends goes
  // to `tunnel`, what is written with write() goes out as it is; end() closes when it is sent. on_end() and on_abort()
  // are not called: the client's leaving is on_cancel()'s. False, and nothing has happened, on HTTP/2.
  bool upgrade(HttpFields fields, std::unique_ptr<HttpBodySink> tunnel);
  // Bytes written and not yet sent; on_drained runs each time they fall to 64 KiB after having been above.
  size_t outbox_bytes() const { return outbox_bytes_; }
  void on_drained(Task hook) { drained_hook_ = std::move(hook); }
  // For a body received in pieces: deliver none until resume_body(); the sender is slowed by flow control.
  void pause_body();
  void resume_body();

 private:
  friend class HttpStream;
  template <class T>
  friend class Ref;
  HttpExchange() = default;
  void retain() { references_.fetch_add(1, std::memory_order_relaxed); }
  void release() {
    if (references_.fetch_sub(1, std::memory_order_acq_rel) == 1) last_reference_gone();
  }
  bool try_retain();
  void last_reference_gone();

  std::atomic<uint32_t> references_{0};
  std::atomic<bool> cancelled_{false};
  enum class Progress : uint8_t { none, started, ended };
  Progress progress_ = Progress::none;
  HttpRequest request_;
  std::shared_ptr<const PeerInfo> peer_;  // shared by the connection's exchanges
  IoThread* thread_ = nullptr;
  Task cancel_hook_;
  Task drained_hook_;
  size_t outbox_bytes_ = 0;
  HttpStream* stream_ = nullptr;
};
using HttpExchangeRef = Ref<HttpExchange>;

// Receives a request body in pieces. Destroyed on the I/O thread when the exchange is over.
class HttpBodySink {
 public:
  virtual ~HttpBodySink() = default;
  // Valid during the call only. To slow the sender down: HttpExchange::pause_body().
  virtual void on_piece(std::string_view piece) = 0;
  virtual void on_end() = 0;
  // The client went away before the end.
  virtual void on_abort() = 0;
  // The body is a conversation: the client may be silent as long as it likes.
  virtual bool is_unhurried() const { return false; }
};

class HttpHandler {
 public:
  virtual ~HttpHandler() = default;

  // Called on the connection's I/O thread with the complete request (body up to HttpOptions::max_body_bytes, 413 above).
  // May answer at once or keep the handle. Must not block.
  virtual void handle(HttpExchangeRef exchange) = 0;

  // Called when the head has arrived and a body follows. Return a sink to get the body in pieces, of any length
  // altogether; handle() is then not called and the answer is given through `exchange`. Null: the body is collected.
  virtual std::unique_ptr<HttpBodySink> receive(const HttpExchangeRef& exchange) { return nullptr; }
};

struct HttpOptions {
  size_t max_header_bytes = 64 * 1024;  // 431 above; Go's default is 1 MiB, which no client of this port needs
  size_t max_body_bytes = 4 * 1024 * 1024;  // 413 above; a 2 MiB message as JSON with base64 is below 3 MiB
  // HTTP-03: from the first byte of a connection or request to the end of its headers.
  env::Duration read_header_timeout = std::chrono::minutes(5);
  // A kept connection on which no request begins (0: as long as the client likes).
  env::Duration idle_timeout{};
  // Between two reads of a request's body.
  env::Duration read_body_timeout = std::chrono::minutes(5);
  // Requests that a client may send ahead while one is being answered (pipelining); reading stops there.
  size_t max_pipelined_bytes = 64 * 1024;
};

}  // namespace holdfast::net
