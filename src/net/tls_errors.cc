#include "net/tls_errors.h"

#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509_vfy.h>

#include <array>
#include <utility>

#include "fmt/format.h"

namespace holdfast::net {
namespace {

// Go's crypto/tls/alert.go.
constexpr std::pair<int, std::string_view> kAlerts[] = {
    {0, "close notify"},
    {10, "unexpected message"},
    {20, "bad record MAC"},
    {21, "decryption failed"},
    {22, "record overflow"},
    {30, "decompression failure"},
    {40, "handshake failure"},
    {42, "bad certificate"},
    {43, "unsupported certificate"},
    {44, "revoked certificate"},
    {45, "expired certificate"},
    {46, "unknown certificate"},
    {47, "illegal parameter"},
    {48, "unknown certificate authority"},
    {49, "access denied"},
    {50, "error decoding message"},
    {51, "error decrypting message"},
    {60, "export restriction"},
    {70, "protocol version not supported"},
    {71, "insufficient security level"},
    {80, "internal error"},
    {86, "inappropriate fallback"},
    {90, "user canceled"},
    {100, "no renegotiation"},
    {109, "missing extension"},
    {110, "unsupported extension"},
    {111, "certificate unobtainable"},
    {112, "unrecognized name"},
    {113, "bad certificate status response"},
    {114, "bad certificate hash value"},
    {115, "unknown PSK identity"},
    {116, "certificate required"},
    {120, "no application protocol"},
};

std::string alert_text(int alert) {
  for (const auto& [number, text] : kAlerts)
    if (number == alert) return fmt::format("remote error: tls: {}", text);
  return fmt::format("remote error: tls: alert({})", alert);
}

bool is_unknown_authority(int code) {
  switch (code) {
    case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT:
    case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY:
    case X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE:
    case X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN:
    case X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT:
    case X509_V_ERR_CERT_UNTRUSTED:
      return true;
    default: return false;
  }
}

bool is_out_of_time(int code) {
  return code == X509_V_ERR_CERT_HAS_EXPIRED || code == X509_V_ERR_CERT_NOT_YET_VALID;
}

}  // namespace

std::string take_tls_error() {
  const unsigned long code = ERR_get_error();
  ERR_clear_error();
  if (code == 0) return "unknown error";
  const int reason = ERR_GET_REASON(code);
  if (ERR_GET_LIB(code) == ERR_LIB_SSL) {
    if (reason > SSL_AD_REASON_OFFSET && reason <= SSL_AD_REASON_OFFSET + 255)
      return alert_text(reason - SSL_AD_REASON_OFFSET);
    switch (reason) {
      case SSL_R_PEER_DID_NOT_RETURN_A_CERTIFICATE: return "tls: client didn't provide a certificate";
      case SSL_R_HTTP_REQUEST:
      case SSL_R_HTTPS_PROXY_REQUEST:
      case SSL_R_WRONG_VERSION_NUMBER: return "tls: first record does not look like a TLS handshake";
      case SSL_R_UNSUPPORTED_PROTOCOL:
      case SSL_R_VERSION_TOO_LOW: return "tls: client offered only unsupported versions";
      case SSL_R_NO_SHARED_CIPHER: return "tls: no cipher suite supported by both client and server";
      default: break;
    }
  }
  const char* text = ERR_reason_error_string(code);
  return fmt::format("tls: {}", text != nullptr ? text : "unknown error");
}

std::string_view verification_error(int code) {
  if (is_unknown_authority(code)) return "x509: certificate signed by unknown authority";
  if (is_out_of_time(code)) return "x509: certificate has expired or is not yet valid";
  if (code == X509_V_ERR_INVALID_PURPOSE) return "x509: certificate specifies an incompatible key usage";
  return X509_verify_cert_error_string(code);
}

int alert_code(int code, TlsSide verifier) {
  if (verifier == TlsSide::server && is_unknown_authority(code)) return X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY;
  if (verifier == TlsSide::server && is_out_of_time(code)) return X509_V_ERR_CERT_HAS_EXPIRED;
  return X509_V_ERR_CERT_REJECTED;
}

}  // namespace holdfast::net
