// An HTTP/1.1 client over one kept-alive connection, on one I/O thread: one request at a time, later ones wait.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "base/task.h"
#include "net/http.h"
#include "net/io_thread.h"
#include "net/tls.h"

namespace holdfast::net {

struct HttpClientOptions {
  std::string address = "127.0.0.1";  // IP address
  uint16_t port = 0;
  std::string host;  // "Host" field; empty: address:port
  std::optional<TlsClientOptions> tls;
  env::Duration connect_timeout = std::chrono::seconds(5);
  size_t max_header_bytes = 64 * 1024;
  // For answers that are collected; one in pieces may be of any length.
  size_t max_body_bytes = 64 * 1024 * 1024;
  // Requests that may wait; above, RESOURCE_EXHAUSTED.
  size_t max_waiting = 1024;
};

struct HttpClientRequest {
  std::string method = "GET";
  std::string target = "/";
  HttpFields fields;  // Host and Content-Length are added
  std::string body;
  std::optional<env::Duration> timeout;  // from the start of sending (or connecting) to the answer's end
};

struct HttpResponse {
  int status = 0;
  HttpFields fields;
  std::string body;  // empty when it was given in pieces

  std::optional<std::string_view> field(std::string_view name) const {
    return find_field(fields, name);
  }
};

class HttpClient {
 public:
  // On `thread`, which must outlive the client.
  HttpClient(IoThread& thread, HttpClientOptions options);
  // Any thread. Open and waiting requests end without a word.
  ~HttpClient();

  // OK with the whole answer, whatever its status code, or UNAVAILABLE (connection), DEADLINE_EXCEEDED,
  // RESOURCE_EXHAUSTED. A request that a kept connection lost before any byte of an answer is sent once more on a new one
  // if it is a GET or HEAD.
  using Done = UniqueFunction<void(const absl::Status&, HttpResponse)>;
  void send(HttpClientRequest request, Done done);

  // Gives the body of a 2xx answer in pieces: head first, then pieces, then done with an empty body.
  class Sink {
   public:
    virtual ~Sink() = default;
    virtual void on_head(const HttpResponse& head) {}
    virtual void on_piece(std::string_view piece) = 0;
  };
  void send(HttpClientRequest request, std::unique_ptr<Sink> sink, Done done);

 private:
  class Core;
  class Session;
  std::shared_ptr<Core> core_;  // shared with the connection until that has closed
};

}  // namespace holdfast::net
