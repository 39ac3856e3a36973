// Certificates that a server makes for itself (parity TLS-06; etcd client/pkg/transport/listener.go SelfCert).
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace holdfast::net {

struct SelfSigned {
  std::string certificate_pem;
  std::string key_pem;
};

// ECDSA on P-521, of the organisation "etcd", good for `hosts` (names or IP addresses) as a server from
// `unix_seconds` on for `years` of 365 days; as a client too if it is for peers.
enum class SelfSignedUse : uint8_t { server, peers };
SelfSigned make_self_signed(const std::vector<std::string>& hosts, SelfSignedUse use, int64_t unix_seconds,
                            int64_t years);

}  // namespace holdfast::net
