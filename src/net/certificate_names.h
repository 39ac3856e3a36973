// The names that a certificate carries, and Go's words for one that doesn't fit (crypto/x509 HostnameError). Pure.
#pragma once

#include <string>
#include <vector>

typedef struct x509_st X509;

namespace holdfast::net {

// Subject alternative names.
struct AlternativeNames {
  std::vector<std::string> addresses;  // "10.0.0.1", "fd00::2"
  std::vector<std::string> hosts;      // "*.example.com" among them
};

AlternativeNames alternative_names(X509* certificate);
// The last common name wins where there are several, as in Go's pkix.Name.
std::string common_name(X509* certificate);
// Go's Certificate.VerifyHostname: alternative names only.
bool carries_name(X509* certificate, const std::string& name);
bool is_ip_address(const std::string& name);

std::string names_do_not_fit(const AlternativeNames& names, const std::string& wanted);

}  // namespace holdfast::net
