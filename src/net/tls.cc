#include "net/tls.h"

#include <arpa/inet.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include <algorithm>
#include <utility>

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

int version_number(TlsOptions::Version version) {
  return version == TlsOptions::Version::tls13 ? TLS1_3_VERSION : TLS1_2_VERSION;
}

bool is_ip_address(const std::string& name) {
  in6_addr ip;
  return inet_pton(AF_INET, name.c_str(), &ip) == 1 || inet_pton(AF_INET6, name.c_str(), &ip) == 1;
}

// The last common name wins where there are several, as in Go's pkix.Name.
std::string common_name(X509* certificate) {
  X509_NAME* subject = X509_get_subject_name(certificate);
  int last = -1;
  for (int at = -1; (at = X509_NAME_get_index_by_NID(subject, NID_commonName, at)) >= 0;) last = at;
  if (last < 0) return {};
  unsigned char* text = nullptr;
  const int size =
      ASN1_STRING_to_UTF8(&text, X509_NAME_ENTRY_get_data(X509_NAME_get_entry(subject, last)));
  std::string name;
  if (size >= 0) name.assign(reinterpret_cast<char*>(text), static_cast<size_t>(size));
  OPENSSL_free(text);
  return name;
}

// Go's Certificate.VerifyHostname: alternative names only.
bool carries_hostname(X509* certificate, const std::string& name) {
  if (is_ip_address(name)) return X509_check_ip_asc(certificate, name.c_str(), 0) == 1;
  return X509_check_host(certificate, name.data(), name.size(), X509_CHECK_FLAG_NEVER_CHECK_SUBJECT,
                         nullptr) == 1;
}

using CertificateHandle = std::unique_ptr<X509, decltype(&X509_free)>;
using RevocationList = std::unique_ptr<X509_CRL, decltype(&X509_CRL_free)>;

RevocationList read_revocation_list(const std::string& file) {
  std::unique_ptr<BIO, decltype(&BIO_free)> bio(BIO_new_file(file.c_str(), "rb"), BIO_free);
  return {bio ? d2i_X509_CRL_bio(bio.get(), nullptr) : nullptr, X509_CRL_free};
}

bool is_revoked(X509_CRL* list, X509* certificate) {
  X509_REVOKED* entry = nullptr;
  return X509_CRL_get0_by_serial(list, &entry, X509_get0_serialNumber(certificate)) != 0;
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
  SSL_CTX_set_min_proto_version(context, version_number(options.min_version));
  SSL_CTX_set_max_proto_version(context, version_number(options.max_version));
  // So that unusable files are known at the start; each handshake reads them again.
  absl::Status pair = load_pair(context, options.certificate_file, options.key_file);
  if (!pair.ok()) return pair;
  result->server_ = options;
  SSL_CTX_set_cert_cb(context, &TlsContext::load_certificate, result.get());
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
    if (options.trusted_ca_file.empty()) SSL_CTX_set_default_verify_paths(context);
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

int TlsContext::load_certificate(SSL* ssl, void* context) {
  const TlsOptions& options = static_cast<const TlsContext*>(context)->server_;
  return SSL_use_certificate_chain_file(ssl, options.certificate_file.c_str()) == 1 &&
                 SSL_use_PrivateKey_file(ssl, options.key_file.c_str(), SSL_FILETYPE_PEM) == 1
             ? 1
             : 0;
}

absl::Status TlsContext::check_client(SSL* ssl) const {
  if (client_) return absl::OkStatus();
  const bool names = !server_.allowed_common_names.empty() || !server_.allowed_hostnames.empty();
  if (!names && server_.revocation_file.empty()) return absl::OkStatus();
  const auto refuse = [](std::string_view why) {
    return make_status(absl::StatusCode::kUnauthenticated, why);
  };
  const CertificateHandle certificate(SSL_get1_peer_certificate(ssl), X509_free);
  if (certificate == nullptr) return absl::OkStatus();
  if (names && SSL_get_verify_result(ssl) == X509_V_OK) {
    const auto& cns = server_.allowed_common_names;
    const auto& hosts = server_.allowed_hostnames;
    const bool known =
        cns.empty() ? std::any_of(hosts.begin(), hosts.end(),
                                  [&](const std::string& host) {
                                    return carries_hostname(certificate.get(), host);
                                  })
                    : std::find(cns.begin(), cns.end(), common_name(certificate.get())) != cns.end();
    if (!known) return refuse("client certificate authentication failed");
  }
  if (server_.revocation_file.empty()) return absl::OkStatus();
  const RevocationList list = read_revocation_list(server_.revocation_file);
  if (list == nullptr)
    return unusable("cannot use revocation list", server_.revocation_file);
  bool revoked = is_revoked(list.get(), certificate.get());
  const STACK_OF(X509)* chain = SSL_get_peer_cert_chain(ssl);
  for (int i = 0; chain != nullptr && i < sk_X509_num(chain); ++i)
    revoked = revoked || is_revoked(list.get(), sk_X509_value(chain, i));
  return revoked ? refuse("the client's certificate is revoked") : absl::OkStatus();
}

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
  const bool is_ip = is_ip_address(name);
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
    if (absl::Status refused = context_->check_client(ssl_); !refused.ok()) {
      error_ = message(refused);
      return Outcome::failed;
    }
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

std::optional<CertificateNames> TlsFilter::names_to_check(const std::string& address) const {
  if (context_->client_ || context_->server_.client_address == TlsOptions::ClientAddress::any) return std::nullopt;
  const CertificateHandle certificate(SSL_get1_peer_certificate(ssl_), X509_free);
  if (certificate == nullptr) return std::nullopt;
  CertificateNames names;
  std::unique_ptr<GENERAL_NAMES, decltype(&GENERAL_NAMES_free)> alternatives(
      static_cast<GENERAL_NAMES*>(X509_get_ext_d2i(certificate.get(), NID_subject_alt_name, nullptr, nullptr)),
      GENERAL_NAMES_free);
  for (int i = 0; alternatives && i < sk_GENERAL_NAME_num(alternatives.get()); ++i) {
    const GENERAL_NAME* name = sk_GENERAL_NAME_value(alternatives.get(), i);
    if (name->type == GEN_IPADD) names.has_addresses = true;
    if (name->type == GEN_DNS)
      names.hosts.emplace_back(reinterpret_cast<const char*>(ASN1_STRING_get0_data(name->d.dNSName)),
                               static_cast<size_t>(ASN1_STRING_length(name->d.dNSName)));
  }
  names.has_this_address = names.has_addresses && X509_check_ip_asc(certificate.get(), address.c_str(), 0) == 1;
  return names;
}

void TlsFilter::describe_peer(PeerInfo& peer) const {
  peer.tls = true;
  const CertificateHandle certificate(SSL_get1_peer_certificate(ssl_), X509_free);
  if (certificate == nullptr) return;
  peer.certificate_verified =
      SSL_get_verify_mode(ssl_) != SSL_VERIFY_NONE && SSL_get_verify_result(ssl_) == X509_V_OK;
  peer.common_name = common_name(certificate.get());
}

}  // namespace holdfast::net
