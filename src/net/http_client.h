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
  std::string address = "127.0.0.1";  // IP address or host name
  uint16_t port = 0;
  std::string unix_path;  // of a socket file, instead of address and port
  std::string local_address;  // IP address to come from; empty: the system's choice
  std::string host;       // "Host" field; empty: address:port
  std::optional<TlsClientOptions> tls;
  env::Duration connect_timeout = std::chrono::seconds(5);
  // Output that the server takes none of for so long ends the connection (0: never).
  env::Duration write_timeout{};
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
  // Deliver no more of the answer that comes in until resume(); the server is slowed by flow control. I/O thread.
  void pause();
  void resume();

  // A request whose body is written in pieces, chunked, by the calls below it; `request.body` must be empty. on_open runs
  // when the head is on its way, on_drained each time the unsent bytes fall to 64 KiB after having been above. An answer
  // that comes before end() is the answer; the connection is not used again then. I/O thread.
  struct Upload {
    Task on_open;
    Task on_drained;
  };
  void upload(HttpClientRequest request, Upload upload, Done done);
  void write(std::string piece);
  void end();
  size_t outbox_bytes() const;

 private:
  class Core;
  class Session;
  struct Exchange;
  std::shared_ptr<Core> core_;  // shared with the connection until that has closed
};

}  // namespace holdfast::net
