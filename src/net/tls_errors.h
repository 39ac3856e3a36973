// What went wrong with TLS, in the words that Go's crypto/tls and crypto/x509 have for it: they stand in etcd's log, where
// people and etcd's own tests look for them. Where Go has none, OpenSSL's.
#pragma once

#include <string>
#include <string_view>

namespace holdfast::net {

// Of OpenSSL's error queue, which is empty afterwards: "remote error: tls: bad certificate".
std::string take_tls_error();

// A chain that was not verified, by the X509_V_ERR_ code: Go's word for it, and the code whose alert OpenSSL sends as Go
// would. A server tells clients apart that are unknown and too late; a client says "bad certificate" to all.
enum class TlsSide : uint8_t { server, client };
std::string_view verification_error(int code);
int alert_code(int code, TlsSide verifier);

}  // namespace holdfast::net
