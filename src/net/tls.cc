#include "net/tls.h"

#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include <algorithm>
#include <utility>

#include "base/check.h"
#include "base/errors.h"
#include "fmt/format.h"
#include "net/tls_errors.h"

namespace holdfast::net {
namespace {

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

std::string serial_of(X509* certificate) {
  std::unique_ptr<BIGNUM, decltype(&BN_free)> number(
      ASN1_INTEGER_to_BN(X509_get0_serialNumber(certificate), nullptr), BN_free);
  std::string bytes(static_cast<size_t>(BN_num_bytes(number.get())), '\0');
  BN_bn2bin(number.get(), reinterpret_cast<unsigned char*>(bytes.data()));
  std::string hex;
  for (const char byte : bytes) hex += fmt::format("{:02x}", static_cast<unsigned char>(byte));
  return hex;
}

void set_common_options(SSL_CTX* context) {
  SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION);
  SSL_CTX_set_options(context, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION |
                                   SSL_OP_CIPHER_SERVER_PREFERENCE);
  SSL_CTX_set_mode(context, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ENABLE_PARTIAL_WRITE |
                                SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
}

SSL_CTX* new_context(const SSL_METHOD* method) {
  SSL_CTX* context = SSL_CTX_new(method);
  CHECK(context != nullptr, "out of memory for TLS");
  return context;
}

// Null if it can't be filled.
TlsFileCache::Made make_context(const SSL_METHOD* method, absl::FunctionRef<absl::Status(SSL_CTX*)> fill) {
  SSL_CTX* context = new_context(method);
  absl::Status filled = fill(context);
  if (filled.ok()) return {std::move(filled), context};
  SSL_CTX_free(context);
  return {std::move(filled), nullptr};
}

}  // namespace

absl::StatusOr<std::shared_ptr<TlsContext>> TlsContext::for_server(const TlsOptions& options) {
  ERR_clear_error();
  SSL_CTX* context = new_context(TLS_server_method());
  std::shared_ptr<TlsContext> result(new TlsContext(context, false));
  set_common_options(context);
  SSL_CTX_set_min_proto_version(context, version_number(options.min_version));
  SSL_CTX_set_max_proto_version(context, version_number(options.max_version));
  // So that unusable files are known at the start; each handshake looks whether they are still the same.
  absl::Status pair = load_pair(context, options.certificate_file, options.key_file);
  if (!pair.ok()) return pair;
  result->server_ = options;
  result->pair_ = std::make_unique<TlsFileCache>(std::vector{options.certificate_file, options.key_file});
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
    SSL_CTX_set_cert_verify_callback(context, &TlsContext::verify, nullptr);
    if (options.trusted_ca_file.empty()) SSL_CTX_set_default_verify_paths(context);
  }
  static constexpr unsigned char kSessions[] = "holdfast";
  SSL_CTX_set_session_id_context(context, kSessions, sizeof kSessions - 1);
  SSL_CTX_set_alpn_select_cb(context, select_protocol, nullptr);
  return result;
}

absl::Status TlsContext::fill_client(SSL_CTX* context, const TlsClientOptions& options) {
  set_common_options(context);
  if (!options.certificate_file.empty()) {
    absl::Status pair = load_pair(context, options.certificate_file, options.key_file);
    if (!pair.ok()) return pair;
  }
  if (options.verify == TlsClientOptions::Verify::peer) {
    SSL_CTX_set_verify(context, SSL_VERIFY_PEER, nullptr);
    SSL_CTX_set_cert_verify_callback(context, &TlsContext::verify, nullptr);
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
  return absl::OkStatus();
}

absl::StatusOr<std::shared_ptr<TlsContext>> TlsContext::for_client(
    const TlsClientOptions& options) {
  const auto make = [&] {
    ERR_clear_error();
    return make_context(TLS_client_method(), [&](SSL_CTX* context) { return fill_client(context, options); });
  };
  const TlsFileCache::Made made = options.cache ? options.cache->get(make) : make();
  if (!made.status.ok()) return made.status;
  std::shared_ptr<TlsContext> result(new TlsContext(made.context, true));
  result->server_name_ = options.server_name;
  result->check_name_ =
      options.verify == TlsClientOptions::Verify::peer && !options.server_name.empty();
  return result;
}

TlsContext::~TlsContext() { SSL_CTX_free(context_); }

int TlsContext::load_certificate(SSL* ssl, void* context) {
  const TlsContext& self = *static_cast<const TlsContext*>(context);
  const TlsFileCache::Made pair = self.pair_->get([&] {
    return make_context(TLS_server_method(), [&](SSL_CTX* holder) {
      return load_pair(holder, self.server_.certificate_file, self.server_.key_file);
    });
  });
  if (!pair.status.ok()) {
    static_cast<TlsFilter*>(SSL_get_app_data(ssl))->refusal_ = message(pair.status);
    return 0;
  }
  STACK_OF(X509)* chain = nullptr;
  SSL_CTX_get0_chain_certs(pair.context, &chain);
  const int used = SSL_use_cert_and_key(ssl, SSL_CTX_get0_certificate(pair.context),
                                        SSL_CTX_get0_privatekey(pair.context), chain, 1);
  SSL_CTX_free(pair.context);
  return used;
}

int TlsContext::verify(X509_STORE_CTX* chain, void*) {
  auto* ssl = static_cast<SSL*>(X509_STORE_CTX_get_ex_data(chain, SSL_get_ex_data_X509_STORE_CTX_idx()));
  TlsFilter& filter = *static_cast<TlsFilter*>(SSL_get_app_data(ssl));
  const TlsContext& self = *filter.context_;
  X509* certificate = X509_STORE_CTX_get0_cert(chain);
  if (X509_verify_cert(chain) != 1) {
    const int code = X509_STORE_CTX_get_error(chain);
    const bool named = code == X509_V_ERR_HOSTNAME_MISMATCH || code == X509_V_ERR_IP_ADDRESS_MISMATCH;
    filter.refusal_ = fmt::format("tls: failed to verify certificate: {}",
                                  named ? names_do_not_fit(alternative_names(certificate), self.server_name_)
                                        : verification_error(code));
    X509_STORE_CTX_set_error(chain, alert_code(code, self.client_ ? TlsSide::client : TlsSide::server));
    return 0;
  }
  if (self.client_ || self.allows_names_of(certificate)) return 1;
  filter.refusal_ = "client certificate authentication failed";
  filter.refused_names_ = alternative_names(certificate);
  X509_STORE_CTX_set_error(chain, X509_V_ERR_CERT_REJECTED);
  return 0;
}

bool TlsContext::allows_names_of(X509* certificate) const {
  const auto& cns = server_.allowed_common_names;
  const auto& hosts = server_.allowed_hostnames;
  if (cns.empty() && hosts.empty()) return true;
  if (!cns.empty()) return std::find(cns.begin(), cns.end(), common_name(certificate)) != cns.end();
  return std::any_of(hosts.begin(), hosts.end(),
                     [&](const std::string& host) { return carries_name(certificate, host); });
}

absl::Status TlsContext::check_revocation(SSL* ssl) const {
  if (client_ || server_.revocation_file.empty()) return absl::OkStatus();
  const CertificateHandle certificate(SSL_get1_peer_certificate(ssl), X509_free);
  if (certificate == nullptr) return absl::OkStatus();
  const RevocationList list = read_revocation_list(server_.revocation_file);
  if (list == nullptr)
    return unusable("cannot use revocation list", server_.revocation_file);
  const auto check = [&](X509* one) {
    if (!is_revoked(list.get(), one)) return absl::OkStatus();
    return make_status(absl::StatusCode::kUnauthenticated,
                       fmt::format("transport: certificate serial {} revoked", serial_of(one)));
  };
  if (absl::Status s = check(certificate.get()); !s.ok()) return s;
  const STACK_OF(X509)* chain = SSL_get_peer_cert_chain(ssl);
  for (int i = 0; chain != nullptr && i < sk_X509_num(chain); ++i)
    if (absl::Status s = check(sk_X509_value(chain, i)); !s.ok()) return s;
  return absl::OkStatus();
}

TlsFilter::TlsFilter(std::shared_ptr<TlsContext> context)
    : context_(std::move(context)), ssl_(SSL_new(context_->context_)) {
  CHECK(ssl_ != nullptr, "out of memory for TLS");
  SSL_set_app_data(ssl_, this);
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
  error_ = take_tls_error();
  if (!established_ && !refusal_.empty()) error_ = refusal_;
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
    if (absl::Status refused = context_->check_revocation(ssl_); !refused.ok()) {
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
  AlternativeNames all = alternative_names(certificate.get());
  return CertificateNames{.has_addresses = !all.addresses.empty(),
                          .has_this_address = X509_check_ip_asc(certificate.get(), address.c_str(), 0) == 1,
                          .hosts = std::move(all.hosts)};
}

std::string TlsFilter::server_name() const {
  const char* name = SSL_get_servername(ssl_, TLSEXT_NAMETYPE_host_name);
  return name != nullptr ? name : "";
}

std::optional<AlternativeNames> TlsFilter::peer_names() const {
  if (refused_names_) return refused_names_;
  const CertificateHandle certificate(SSL_get1_peer_certificate(ssl_), X509_free);
  if (certificate == nullptr) return std::nullopt;
  return alternative_names(certificate.get());
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
