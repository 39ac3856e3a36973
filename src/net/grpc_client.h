// A gRPC client over one HTTP/2 connection, on one I/O thread: for the benchmark, for tests and for talking to other
// members. No name resolution, no load balancing, no retries: who wants them, puts them above.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "base/task.h"
#include "net/grpc_call.h"
#include "net/io_thread.h"
#include "net/tls.h"

namespace holdfast::net {

struct GrpcClientOptions {
  std::string address = "127.0.0.1";  // IP address or host name
  uint16_t port = 0;
  std::string unix_path;  // of a socket file, instead of address and port
  std::string authority;  // ":authority"; empty: address:port
  std::optional<TlsClientOptions> tls;
  env::Duration connect_timeout = std::chrono::seconds(20);  // with the TLS handshake; grpc-go's
  // While calls are open: a ping after so much silence, and the end of the connection if it isn't answered in time.
  // 0: never. grpc-go raises the first to 10 s, since servers send away who pings more often; so must the caller.
  env::Duration ping_after_idle{};
  env::Duration ping_timeout = std::chrono::seconds(20);
  size_t max_receive_message_bytes = INT32_MAX;              // etcd's Go client sets the same
  uint32_t stream_window_bytes = 4 * 1024 * 1024;
  uint32_t connection_window_bytes = 16 * 1024 * 1024;
  size_t outbox_low_water_bytes = 64 * 1024;
};

struct CallOptions {
  std::optional<env::Duration> timeout;  // sent as grpc-timeout and kept by this side too
  std::vector<std::pair<std::string, std::string>> metadata;  // keys in lower case; "-bin" values raw
};

// What a call's owner is told, on the I/O thread. Destroyed after on_finished(), or unfinished with the client.
class ClientCallEvents {
 public:
  virtual ~ClientCallEvents() = default;
  virtual void on_message(std::string_view message) = 0;  // valid during the call
  virtual void on_drained() {}                            // the outbox has fallen to its low-water mark
  // Once, last. The status is the server's, or UNAVAILABLE (connection), DEADLINE_EXCEEDED, CANCELLED.
  virtual void on_finished(const absl::Status& status) = 0;
};

// One call; methods on the I/O thread. A call that has finished ignores them.
class ClientCall {
 public:
  virtual ~ClientCall() = default;
  virtual void write(OutMessage message) = 0;
  void write(std::string message) { write(OutMessage{std::move(message), {}}); }
  virtual void half_close() = 0;
  // on_finished() gets CANCELLED "context canceled" from a posted task.
  virtual void cancel() = 0;
  virtual size_t outbox_bytes() const = 0;
  // First value of a field of the answer's headers or trailers, "-bin" decoded.
  virtual std::optional<std::string> metadata(std::string_view key) const = 0;
};

class GrpcClient {
 public:
  // Everything on `thread`, which must outlive the client, except what says otherwise.
  GrpcClient(IoThread& thread, GrpcClientOptions options);
  // Any thread. Open calls end without a word.
  ~GrpcClient();

  // Connects if there is no connection; calls made before wait for it. A lost connection fails the open calls with
  // UNAVAILABLE, and the next call connects again.
  // `path` is "/package.Service/Method". The client keeps the call until it is finished; the pointer is shared with
  // the caller, who may drop it.
  std::shared_ptr<ClientCall> start(std::string_view path, const CallOptions& options,
                                    std::unique_ptr<ClientCallEvents> events);

  // One message each way. `done` gets OK and the message, or the error and "".
  using UnaryDone = UniqueFunction<void(const absl::Status&, std::string_view)>;
  std::shared_ptr<ClientCall> unary(std::string_view path, std::string request,
                                    const CallOptions& options, UnaryDone done);

  size_t calls_open() const;
  bool connected() const;

 private:
  class Core;
  class Session;
  class Stream;
  std::shared_ptr<Core> core_;  // shared with the connection until that has closed
};

}  // namespace holdfast::net
