// Who is at the other end of a connection.
#pragma once

#include <string>

namespace holdfast::net {

struct PeerInfo {
  std::string address;             // "10.0.0.1:40312", "[::1]:40312"
  bool tls = false;
  bool certificate_verified = false;  // the peer sent a certificate and its chain was verified
  std::string common_name;         // of that certificate; etcd's CN-based auth (AuthInfoFromTLS)
};

}  // namespace holdfast::net
