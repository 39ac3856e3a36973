#include "net/certificate_names.h"

#include <arpa/inet.h>
#include <openssl/x509v3.h>

#include <memory>

#include "fmt/format.h"

namespace holdfast::net {

AlternativeNames alternative_names(X509* certificate) {
  AlternativeNames names;
  std::unique_ptr<GENERAL_NAMES, decltype(&GENERAL_NAMES_free)> all(
      static_cast<GENERAL_NAMES*>(X509_get_ext_d2i(certificate, NID_subject_alt_name, nullptr, nullptr)),
      GENERAL_NAMES_free);
  for (int i = 0; all && i < sk_GENERAL_NAME_num(all.get()); ++i) {
    const GENERAL_NAME* name = sk_GENERAL_NAME_value(all.get(), i);
    if (name->type == GEN_IPADD) {
      char text[INET6_ADDRSTRLEN];
      const int size = ASN1_STRING_length(name->d.iPAddress);
      if ((size == 4 || size == 16) &&
          inet_ntop(size == 4 ? AF_INET : AF_INET6, ASN1_STRING_get0_data(name->d.iPAddress), text, sizeof text))
        names.addresses.emplace_back(text);
    }
    if (name->type == GEN_DNS)
      names.hosts.emplace_back(reinterpret_cast<const char*>(ASN1_STRING_get0_data(name->d.dNSName)),
                               static_cast<size_t>(ASN1_STRING_length(name->d.dNSName)));
  }
  return names;
}

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

bool is_ip_address(const std::string& name) {
  in6_addr ip;
  return inet_pton(AF_INET, name.c_str(), &ip) == 1 || inet_pton(AF_INET6, name.c_str(), &ip) == 1;
}

bool carries_name(X509* certificate, const std::string& name) {
  if (is_ip_address(name)) return X509_check_ip_asc(certificate, name.c_str(), 0) == 1;
  return X509_check_host(certificate, name.data(), name.size(), X509_CHECK_FLAG_NEVER_CHECK_SUBJECT,
                         nullptr) == 1;
}

std::string names_do_not_fit(const AlternativeNames& names, const std::string& wanted) {
  const bool by_address = is_ip_address(wanted);
  if (by_address && names.addresses.empty())
    return fmt::format("x509: cannot validate certificate for {} because it doesn't contain any IP SANs", wanted);
  const auto& valid = by_address ? names.addresses : names.hosts;
  if (valid.empty())
    return fmt::format("x509: certificate is not valid for any names, but wanted to match {}", wanted);
  return fmt::format("x509: certificate is valid for {}, not {}", fmt::join(valid, ", "), wanted);
}

}  // namespace holdfast::net
