// Cipher suites of TLS by Go's names, which etcd's --cipher-suites takes (client/pkg/tlsutil/cipher_suites.go).
#pragma once

#include <optional>
#include <string_view>

namespace holdfast::config {

// OpenSSL's name; empty for the suites of TLS 1.3, which nobody may choose in Go; nothing if Go has no such suite.
std::optional<std::string_view> openssl_cipher(std::string_view go_name);

}  // namespace holdfast::config
