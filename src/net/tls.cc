#include "net/tls.h"

#include <arpa/inet.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include "base/check.h"
#include "base/errors.h"
#include "fmt/format.h"

namespace holdfast::net {
namespace {

std::string last_error() {
  unsigned long code = ERR_get_error();
  ERR_clear_error();
  if (code == 0) return "unknown error";
  char text[256];
  ERR_error_string_n(code, text, sizeof text);
  return text;
}

absl::Status unusable(std::string_view what, std::string_view file) {
  return make_status(absl::StatusCode::kInvalidArgument,
                     fmt::format("tls: {} {}: {}", what, file, last_error()));
}

absl::Status load_pair(SSL_CTX* context, const std::string& certificate, const std::string& key) {
  if (SSL_CTX_use_certificate_chain_file(context, certificate.c_str()) != 1)
    return unusable("cannot use certificate", certificate);
  if (SSL_CTX_use_PrivateKey_file(context, key.c_str(), SSL_FILETYPE_PEM) != 1)
    return unusable("cannot use key", key);
  if (SSL_CTX_check_private_key(context) != 1) return unusable("key does not fit", certificate);
  return absl::OkStatus();
}

// The server's order of preference; "h2" is what gRPC clients ask for.
int select_protocol(SSL*, const unsigned char** out, unsigned char* out_size,
                    const unsigned char* offered, unsigned int offered_size, void*) {
  static constexpr unsigned char kProtocols[] = "\x02h2\x08http/1.1";
  unsigned char* chosen = nullptr;
  if (SSL_select_next_proto(&chosen, out_size, kProtocols, sizeof kProtocols - 1, offered,
                            offered_size) != OPENSSL_NPN_NEGOTIATED)
    return SSL_TLSEXT_ERR_NOACK;
  *out = chosen;
  return SSL_TLSEXT_ERR_OK;
}

void set_common_options(SSL_CTX* context) {
  SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION);
  SSL_CTX_set_options(context, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION |
                                   SSL_OP_CIPHER_SERVER_PREFERENCE);
  SSL_CTX_set_mode(context, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ENABLE_PARTIAL_WRITE |
                                SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
}

}  // namespace

absl::StatusOr<std::shared_ptr<TlsContext>> TlsContext::for_server(const TlsOptions& options) {
  ERR_clear_error();
  SSL_CTX* context = SSL_CTX_new(TLS_server_method());
  CHECK(context != nullptr, "out of memory for TLS");
  std::shared_ptr<TlsContext> result(new TlsContext(context, false));
  set_common_options(context);
  absl::Status pair = load_pair(context, options.certificate_file, options.key_file);
  if (!pair.ok()) return pair;
  if (!options.cipher_list.empty() &&
      SSL_CTX_set_cipher_list(context, options.cipher_list.c_str()) != 1)
    return unusable("cannot use ciphers", options.cipher_list);
  if (!options.trusted_ca_file.empty()) {
    if (SSL_CTX_load_verify_locations(context, options.trusted_ca_file.c_str(), nullptr) != 1)
      return unusable("cannot use trusted CA", options.trusted_ca_file);
    SSL_CTX_set_client_CA_list(context, SSL_load_client_CA_file(options.trusted_ca_file.c_str()));
  }
  using Client = TlsOptions::ClientCertificate;
  if (options.client_certificate != Client::ignored) {
    int mode = SSL_VERIFY_PEER;
    if (options.client_certificate == Client::required) mode |= SSL_VERIFY_FAIL_IF_NO_PEER_CERT;
    SSL_CTX_set_verify(context, mode, nullptr);
  }
  static constexpr unsigned char kSessions[] = "holdfast";
  SSL_CTX_set_session_id_context(context, kSessions, sizeof kSessions - 1);
  SSL_CTX_set_alpn_select_cb(context, select_protocol, nullptr);
  return result;
}

absl::StatusOr<std::shared_ptr<TlsContext>> TlsContext::for_client(
    const TlsClientOptions& options) {
  ERR_clear_error();
  SSL_CTX* context = SSL_CTX_new(TLS_client_method());
  CHECK(context != nullptr, "out of memory for TLS");
  std::shared_ptr<TlsContext> result(new TlsContext(context, true));
  set_common_options(context);
  if (!options.certificate_file.empty()) {
    absl::Status pair = load_pair(context, options.certificate_file, options.key_file);
    if (!pair.ok()) return pair;
  }
  if (options.verify == TlsClientOptions::Verify::peer) {
    SSL_CTX_set_verify(context, SSL_VERIFY_PEER, nullptr);
    if (options.trusted_ca_file.empty()) {
      SSL_CTX_set_default_verify_paths(context);
    } else if (SSL_CTX_load_verify_locations(context, options.trusted_ca_file.c_str(), nullptr) !=
               1) {
      return unusable("cannot use trusted CA", options.trusted_ca_file);
    }
  }
  if (options.protocols == TlsClientOptions::Protocols::http2) {
    SSL_CTX_set_alpn_protos(context, reinterpret_cast<const unsigned char*>("\x02h2"), 3);
  } else {
    SSL_CTX_set_alpn_protos(context, reinterpret_cast<const unsigned char*>("\x08http/1.1"), 9);
  }
  result->server_name_ = options.server_name;
  result->check_name_ =
      options.verify == TlsClientOptions::Verify::peer && !options.server_name.empty();
  return result;
}

TlsContext::~TlsContext() { SSL_CTX_free(context_); }

TlsFilter::TlsFilter(std::shared_ptr<TlsContext> context)
    : context_(std::move(context)), ssl_(SSL_new(context_->context_)) {
  CHECK(ssl_ != nullptr, "out of memory for TLS");
  SSL_set_bio(ssl_, BIO_new(BIO_s_mem()), BIO_new(BIO_s_mem()));
  if (!context_->client_) {
    SSL_set_accept_state(ssl_);
    return;
  }
  SSL_set_connect_state(ssl_);
  const std::string& name = context_->server_name_;
  in6_addr ip;
  bool is_ip = inet_pton(AF_INET, name.c_str(), &ip) == 1 || inet_pton(AF_INET6, name.c_str(), &ip) == 1;
  if (!name.empty() && !is_ip) SSL_set_tlsext_host_name(ssl_, name.c_str());
  if (context_->check_name_) {
    if (is_ip) {
      X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(ssl_), name.c_str());
    } else {
      SSL_set1_host(ssl_, name.c_str());
    }
  }
  SSL_do_handshake(ssl_);
  ERR_clear_error();
}

TlsFilter::~TlsFilter() { SSL_free(ssl_); }

TlsFilter::Outcome TlsFilter::fail(int result) {
  int reason = SSL_get_error(ssl_, result);
  if (reason == SSL_ERROR_WANT_READ || reason == SSL_ERROR_WANT_WRITE) return Outcome::open;
  if (reason == SSL_ERROR_ZERO_RETURN) return Outcome::closed;
  error_ = last_error();
  return Outcome::failed;
}

TlsFilter::Outcome TlsFilter::feed(std::string_view cipher, char* buffer, size_t buffer_size,
                                   const std::function<void(std::string_view)>& plain) {
  ERR_clear_error();
  if (!cipher.empty()) {
    int written = BIO_write(SSL_get_rbio(ssl_), cipher.data(), static_cast<int>(cipher.size()));
    CHECK(written == static_cast<int>(cipher.size()), "out of memory for TLS");
  }
  if (!established_) {
    int result = SSL_do_handshake(ssl_);
    if (result != 1) return fail(result);
    established_ = true;
  }
  for (;;) {
    int size = SSL_read(ssl_, buffer, static_cast<int>(buffer_size));
    if (size <= 0) return fail(size);
    plain(std::string_view(buffer, static_cast<size_t>(size)));
  }
}

TlsFilter::Outcome TlsFilter::encrypt(std::string_view plain, std::string& cipher) {
  ERR_clear_error();
  while (!plain.empty()) {
    int size = SSL_write(ssl_, plain.data(), static_cast<int>(plain.size()));
    if (size <= 0) {
      fail(size);
      return Outcome::failed;
    }
    plain.remove_prefix(static_cast<size_t>(size));
  }
  BIO* out = SSL_get_wbio(ssl_);
  if (size_t waiting = BIO_ctrl_pending(out); waiting > 0) {
    size_t at = cipher.size();
    cipher.resize(at + waiting);
    BIO_read(out, cipher.data() + at, static_cast<int>(waiting));
  }
  return Outcome::open;
}

void TlsFilter::close() {
  if (established_) SSL_shutdown(ssl_);
  ERR_clear_error();
}

void TlsFilter::describe_peer(PeerInfo& peer) const {
  peer.tls = true;
  X509* certificate = SSL_get1_peer_certificate(ssl_);
  if (certificate == nullptr) return;
  peer.certificate_verified =
      SSL_get_verify_mode(ssl_) != SSL_VERIFY_NONE && SSL_get_verify_result(ssl_) == X509_V_OK;
  X509_NAME* subject = X509_get_subject_name(certificate);
  // The last common name wins where there are several, as in Go's pkix.Name.
  int last = -1;
  for (int at = -1; (at = X509_NAME_get_index_by_NID(subject, NID_commonName, at)) >= 0;) last = at;
  if (last >= 0) {
    unsigned char* text = nullptr;
    int size = ASN1_STRING_to_UTF8(
        &text, X509_NAME_ENTRY_get_data(X509_NAME_get_entry(subject, last)));
    if (size >= 0) peer.common_name.assign(reinterpret_cast<char*>(text), static_cast<size_t>(size));
    OPENSSL_free(text);
  }
  X509_free(certificate);
}

}  // namespace holdfast::net
