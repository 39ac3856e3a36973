// One port: accepts connections, finds out what they speak and serves them. The first bytes decide: a TLS ClientHello
// (where TLS is configured), HTTP/2's preface (gRPC), anything else is HTTP/1.1 (parity HTTP-01, TRP-68).
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "base/log.h"
#include "net/grpc_server.h"
#include "net/http.h"
#include "net/io_thread.h"

namespace holdfast::net {

// ALPN "h2" and "http/1.1". For every handshake it is looked whether certificate and key are still the same files, and the
// revocation list is read again, so that they can be replaced while the server runs (TLS-01, TLS-02); the CAs are read at
// start.
struct TlsOptions {
  std::string certificate_file;  // PEM, chain allowed
  std::string key_file;          // PEM
  std::string trusted_ca_file;   // PEM; for client certificates; empty: the system's
  enum class ClientCertificate : uint8_t { ignored, verified_if_given, required };
  ClientCertificate client_certificate = ClientCertificate::ignored;
  std::string revocation_file;  // DER; clients with a certificate of a serial number in it are sent away
  // Of which a client's certificate must carry one (TLS-04); empty: any.
  std::vector<std::string> allowed_common_names;
  std::vector<std::string> allowed_hostnames;  // names or IP addresses
  // TLS-05: a certificate with alternative names is taken from the addresses alone that these names mean.
  enum class ClientAddress : uint8_t { any, named };
  ClientAddress client_address = ClientAddress::any;
  enum class Version : uint8_t { tls12, tls13 };
  Version min_version = Version::tls12;
  Version max_version = Version::tls13;
  std::string cipher_list;  // OpenSSL names, TLS 1.2; empty = OpenSSL's default
};

// Files that a process keeps back from clients, for its data and its peers: etcd's number (reservedInternalFDNum).
inline constexpr size_t kReservedFiles = 150;

struct ListenerOptions {
  std::string address = "127.0.0.1";  // IP address; "0.0.0.0", "::"
  uint16_t port = 0;                  // 0 = the system picks one
  // Path of a unix socket, instead of address and port. Nothing must be there: the file is the caller's to remove.
  std::string unix_path;
  std::optional<TlsOptions> tls;
  // With TLS, also serve clients that speak plain text on the same port (HTTP-01), told apart by the first byte.
  enum class PlainText : uint8_t { refused, served };
  PlainText plain_text_beside_tls = PlainText::refused;
  // HTTP/2 requests whose content-type is not gRPC's: etcd answers 415 on plain text (grpc-go) and passes them to the
  // HTTP handler under TLS.
  enum class Http2Requests : uint8_t { grpc_only, all };
  Http2Requests http2_plain_text = Http2Requests::grpc_only;
  Http2Requests http2_tls = Http2Requests::all;
  bool reuse_port = false;
  bool reuse_address = true;
  // Above it, new connections wait in the kernel's backlog. 0: the process's file limit less kReservedFiles (one a
  // connection).
  size_t max_connections = 0;
  std::string refusal_message;  // of the log line for a client that TLS did not let in; empty: none
  env::Duration tls_handshake_timeout = std::chrono::seconds(10);  // TLS-08
  env::Duration tcp_keepalive = std::chrono::seconds(30);          // TLS-10
  // A client that takes nothing of what waits for it for so long is cut off (0: never).
  env::Duration write_timeout{};
  HttpOptions http;
};

// Counters and gauges over all connections of a listener; a snapshot, not one instant.
struct ListenerStats {
  uint64_t connections_accepted = 0;
  uint64_t connections_open = 0;
  uint64_t connections_refused = 0;   // protocol errors, floods, time-outs: closed by us for a reason of theirs
  uint64_t calls_open = 0;            // gRPC calls and HTTP exchanges
  uint64_t request_bytes_held = 0;    // request bodies and messages in memory
  uint64_t response_bytes_held = 0;   // answers not yet sent
  uint64_t bytes_in = 0;              // from sockets
  uint64_t bytes_out = 0;
};

class Listener {
 public:
  // `grpc` and `http` may be null (that kind of request is refused then: HTTP-only, gRPC-only). All must outlive it.
  Listener(IoPool& pool, ListenerOptions options, Logger& log, const GrpcServer* grpc,
           HttpHandler* http);
  // Hard stop, waits for the I/O threads to let go; not from an I/O thread. The pool must still run (or have stopped).
  ~Listener();

  // Takes the port, so that clients wait in the kernel's backlog until start(). Errors as start()'s.
  absl::Status bind();
  // Who answers, instead of the constructor's; before start(). For a port that is bound before they exist.
  void answer_with(const GrpcServer* grpc, HttpHandler* http);
  // Binds, unless that is done, and begins to accept. INVALID_ARGUMENT for a bad address or TLS files, UNAVAILABLE
  // "listen tcp ADDRESS: bind: ..." when the system refuses.
  absl::Status start();
  uint16_t port() const;

  // Graceful: stops accepting; HTTP/2 clients get GOAWAY (twice, around a ping, as grpc-go); idle connections close;
  // when the last call is finished, or `patience` is over (what is left is cut), `done` runs on an I/O thread.
  void stop(env::Duration patience, Task done);
  // Hard: closes everything. Open calls are cancelled. `done` runs when all are gone.
  void stop_now(Task done);

  ListenerStats stats() const;

 private:
  class Core;
  std::shared_ptr<Core> core_;  // shared with the connections, which outlive the listener's owner for a turn
};

}  // namespace holdfast::net
