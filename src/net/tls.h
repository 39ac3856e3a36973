// TLS as a filter between a socket and a protocol: bytes in, bytes out, no I/O of its own.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "net/certificate_names.h"
#include "net/client_address.h"
#include "net/listener.h"
#include "net/peer_info.h"
#include "net/tls_files.h"

typedef struct x509_store_ctx_st X509_STORE_CTX;

namespace holdfast::net {

// How a client checks its server and, when asked, proves itself.
struct TlsClientOptions {
  std::string trusted_ca_file;   // PEM; empty: the system's
  std::string certificate_file;  // PEM; empty: none
  std::string key_file;
  std::string server_name;  // for SNI and the name check; an IP address is checked as one
  enum class Verify : uint8_t { peer, nothing };
  Verify verify = Verify::peer;
  enum class Protocols : uint8_t { http2, http1 };
  Protocols protocols = Protocols::http2;  // offered by ALPN
  // Of these files; shared with all clients that differ from this one in server_name alone, so that a dial parses nothing.
  // Null: the files are parsed once for each client.
  std::shared_ptr<TlsFileCache> cache;
};

// Certificates and rules, shared by the connections of a listener or client; thread-safe.
class TlsContext {
 public:
  // INVALID_ARGUMENT naming the file that can't be used.
  static absl::StatusOr<std::shared_ptr<TlsContext>> for_server(const TlsOptions& options);
  static absl::StatusOr<std::shared_ptr<TlsContext>> for_client(const TlsClientOptions& options);
  ~TlsContext();

 private:
  friend class TlsFilter;
  TlsContext(SSL_CTX* context, bool client) : context_(context), client_(client) {}

  static absl::Status fill_client(SSL_CTX* context, const TlsClientOptions& options);
  // During the handshake: chain and names, so that whom we refuse hears why.
  static int verify(X509_STORE_CTX* chain, void*);
  bool allows_names_of(X509* certificate) const;
  // After the handshake: whether a client's certificate is revoked.
  absl::Status check_revocation(SSL* ssl) const;
  static int load_certificate(SSL* ssl, void* context);

  SSL_CTX* context_;
  bool client_;
  TlsOptions server_;  // of a server
  std::unique_ptr<TlsFileCache> pair_;  // of a server
  std::string server_name_;
  bool check_name_ = false;
};

class TlsFilter {
 public:
  explicit TlsFilter(std::shared_ptr<TlsContext> context);
  ~TlsFilter();

  enum class Outcome : uint8_t { open, closed, failed };
  // Takes bytes from the socket; hands what they decrypt to to `plain`, in pieces that lie in `buffer`.
  Outcome feed(std::string_view cipher, char* buffer, size_t buffer_size,
               const std::function<void(std::string_view)>& plain);
  // Appends to `cipher` what must go to the socket: records of `plain`, and handshake or alert bytes that wait.
  // `plain` must be empty before established().
  Outcome encrypt(std::string_view plain, std::string& cipher);
  // Queues close_notify; encrypt() then carries it out.
  void close();
  bool established() const { return established_; }
  // Why it failed, in Go's words.
  const std::string& error() const { return error_; }
  // What a client asked for by SNI.
  std::string server_name() const;
  // Of the peer's certificate, if its chain was good.
  std::optional<AlternativeNames> peer_names() const;
  // After the handshake.
  void describe_peer(PeerInfo& peer) const;
  // Of the client's certificate, if the server asks where clients come from and the client showed one.
  std::optional<CertificateNames> names_to_check(const std::string& address) const;

 private:
  friend class TlsContext;
  Outcome fail(int result);

  std::shared_ptr<TlsContext> context_;  // shared with the other connections
  SSL* ssl_;
  bool established_ = false;
  std::string error_;
  std::string refusal_;  // of the peer's certificate, by us
  std::optional<AlternativeNames> refused_names_;
};

}  // namespace holdfast::net
