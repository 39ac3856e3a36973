// Whether a client may show a certificate from the address that it has (parity TLS-05; etcd client/pkg/transport
// listener_tls.go checkCertSAN).
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "net/io_thread.h"

namespace holdfast::net {

// A certificate's alternative names, seen from an address.
struct CertificateNames {
  bool has_addresses = false;
  bool has_this_address = false;
  std::vector<std::string> hosts;  // "*.example.com" among them
};

// Nothing if the names must be looked up.
std::optional<bool> fits_at_once(const CertificateNames& names);

// Asks the resolver which names the address has, and which addresses the names have. `done` runs on `thread`, later.
void look_up_client(IoThread& thread, const std::string& address, std::vector<std::string> hosts,
                    std::function<void(bool fits)> done);

// One name of an address against the certificate's; wildcards stand for any number of labels, as in etcd.
bool fits_name(std::string_view name, const std::vector<std::string>& hosts);

}  // namespace holdfast::net
