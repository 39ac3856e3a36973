#include "net/self_signed.h"

#include <arpa/inet.h>
#include <openssl/bn.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include <memory>

#include "base/check.h"

namespace holdfast::net {
namespace {

constexpr int kSerialBits = 128;
constexpr int64_t kSecondsPerYear = int64_t{365} * 24 * 3600;

using Key = std::unique_ptr<EVP_PKEY, decltype(&EVP_PKEY_free)>;
using Certificate = std::unique_ptr<X509, decltype(&X509_free)>;
using Memory = std::unique_ptr<BIO, decltype(&BIO_free)>;

Memory memory() { return {BIO_new(BIO_s_mem()), BIO_free}; }

std::string text_of(BIO* bio) {
  char* data = nullptr;
  const long size = BIO_get_mem_data(bio, &data);
  return {data, static_cast<size_t>(size)};
}

void set_serial(X509* certificate) {
  std::unique_ptr<BIGNUM, decltype(&BN_free)> number(BN_new(), BN_free);
  CHECK(BN_rand(number.get(), kSerialBits, BN_RAND_TOP_ANY, BN_RAND_BOTTOM_ANY) == 1);
  CHECK(BN_to_ASN1_INTEGER(number.get(), X509_get_serialNumber(certificate)) != nullptr);
}

void add_extension(X509* certificate, int kind, const char* value) {
  X509_EXTENSION* extension = X509V3_EXT_conf_nid(nullptr, nullptr, kind, value);
  CHECK(extension != nullptr && X509_add_ext(certificate, extension, -1) == 1);
  X509_EXTENSION_free(extension);
}

void add_hosts(X509* certificate, const std::vector<std::string>& hosts) {
  GENERAL_NAMES* names = GENERAL_NAMES_new();
  for (const std::string& host : hosts) {
    if (host.empty()) continue;
    GENERAL_NAME* name = GENERAL_NAME_new();
    unsigned char ip[sizeof(in6_addr)];
    const bool v4 = inet_pton(AF_INET, host.c_str(), ip) == 1;
    const bool v6 = !v4 && inet_pton(AF_INET6, host.c_str(), ip) == 1;
    if (v4 || v6) {
      ASN1_OCTET_STRING* bytes = ASN1_OCTET_STRING_new();
      ASN1_OCTET_STRING_set(bytes, ip, v4 ? sizeof(in_addr) : sizeof(in6_addr));
      GENERAL_NAME_set0_value(name, GEN_IPADD, bytes);
    } else {
      ASN1_IA5STRING* text = ASN1_IA5STRING_new();
      ASN1_STRING_set(text, host.data(), static_cast<int>(host.size()));
      GENERAL_NAME_set0_value(name, GEN_DNS, text);
    }
    sk_GENERAL_NAME_push(names, name);
  }
  if (sk_GENERAL_NAME_num(names) > 0)
    CHECK(X509_add1_ext_i2d(certificate, NID_subject_alt_name, names, 0, 0) == 1);
  GENERAL_NAMES_free(names);
}

}  // namespace

SelfSigned make_self_signed(const std::vector<std::string>& hosts, SelfSignedUse use, int64_t unix_seconds,
                            int64_t years) {
  const Key key(EVP_EC_gen("P-521"), EVP_PKEY_free);
  CHECK(key != nullptr);
  const Certificate certificate(X509_new(), X509_free);
  X509_set_version(certificate.get(), X509_VERSION_3);
  set_serial(certificate.get());
  X509_NAME* name = X509_get_subject_name(certificate.get());
  X509_NAME_add_entry_by_NID(name, NID_organizationName, MBSTRING_ASC,
                             reinterpret_cast<const unsigned char*>("etcd"), -1, -1, 0);
  X509_set_issuer_name(certificate.get(), name);
  ASN1_TIME_set(X509_getm_notBefore(certificate.get()), unix_seconds);
  ASN1_TIME_set(X509_getm_notAfter(certificate.get()), unix_seconds + years * kSecondsPerYear);
  X509_set_pubkey(certificate.get(), key.get());
  add_extension(certificate.get(), NID_key_usage, "critical,keyEncipherment,digitalSignature,cRLSign");
  add_extension(certificate.get(), NID_ext_key_usage,
                use == SelfSignedUse::peers ? "serverAuth,clientAuth" : "serverAuth");
  add_extension(certificate.get(), NID_basic_constraints, "critical,CA:TRUE");
  add_hosts(certificate.get(), hosts);
  CHECK(X509_sign(certificate.get(), key.get(), EVP_sha512()) > 0);

  SelfSigned result;
  const Memory certificate_text = memory();
  CHECK(PEM_write_bio_X509(certificate_text.get(), certificate.get()) == 1);
  result.certificate_pem = text_of(certificate_text.get());
  const Memory key_text = memory();
  CHECK(PEM_write_bio_PrivateKey_traditional(key_text.get(), key.get(), nullptr, nullptr, 0, nullptr, nullptr) == 1);
  result.key_pem = text_of(key_text.get());
  return result;
}

}  // namespace holdfast::net
