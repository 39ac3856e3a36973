#include "apps/holdfast/tls_settings.h"

#include "apps/holdfast/cipher_suites.h"
#include "base/errors.h"
#include "fmt/format.h"

namespace holdfast::app {

namespace {

absl::Status refuse(std::string_view text) {
  return make_status(absl::StatusCode::kInvalidArgument, text);
}

absl::Status write_file(env::FileSystem& files, const std::string& path, std::string_view bytes) {
  auto file = files.open(path, env::OpenMode::create_or_open);
  if (!file.ok()) return file.status();
  if (absl::Status s = (*file)->truncate(0); !s.ok()) return s;
  if (absl::Status s = (*file)->write_at(0, bytes); !s.ok()) return s;
  return (*file)->sync();
}

}  // namespace

absl::StatusOr<std::string> openssl_cipher_list(const std::vector<std::string>& suites) {
  std::string list;
  for (const std::string& suite : suites) {
    const auto cipher = config::openssl_cipher(suite);
    if (!cipher) return refuse(fmt::format("unexpected TLS cipher suite \"{}\"", suite));
    if (cipher->empty()) continue;
    if (!list.empty()) list += ':';
    list += *cipher;
  }
  return list;
}

absl::StatusOr<net::TlsOptions> tls_settings(const config::Config& config, const config::TlsFiles& files) {
  net::TlsOptions tls;
  tls.certificate_file = files.cert_file;
  tls.key_file = files.key_file;
  tls.trusted_ca_file = files.trusted_ca_file;
  if (files.client_cert_auth || !files.trusted_ca_file.empty())  // TLS-03
    tls.client_certificate = net::TlsOptions::ClientCertificate::required;
  tls.revocation_file = files.crl_file;
  tls.allowed_common_names = files.allowed_cns;
  tls.allowed_hostnames = files.allowed_hostnames;
  using Version = net::TlsOptions::Version;
  tls.min_version = config.tls_min_version == "TLS1.3" ? Version::tls13 : Version::tls12;
  tls.max_version = config.tls_max_version == "TLS1.2" ? Version::tls12 : Version::tls13;
  auto ciphers = openssl_cipher_list(config.cipher_suites);
  if (!ciphers.ok()) return ciphers.status();
  tls.cipher_list = *std::move(ciphers);
  return tls;
}

absl::StatusOr<config::TlsFiles> self_signed_files(env::FileSystem& files, Logger& log,
                                                   const config::TlsFiles& given,
                                                   net::SelfSignedUse use,
                                                   const std::string& directory,
                                                   const std::vector<config::Url>& listen_urls,
                                                   int64_t unix_seconds, uint64_t years) {
  if (!given.auto_tls) return given;
  if (!given.empty()) {
    log.warn(use == net::SelfSignedUse::peers ? "ignoring peer auto TLS since certs given"
                                              : "ignoring client auto TLS since certs given");
    config::TlsFiles kept = given;
    kept.auto_tls = false;
    return kept;
  }
  if (years == 0) return refuse("selfSignedCertValidity is invalid,it should be greater than 0");
  // As in etcd, the other rules of the given ones go, too.
  config::TlsFiles made;
  made.auto_tls = true;
  made.cert_file = directory + "/cert.pem";
  made.key_file = directory + "/key.pem";
  const auto has_certificate = files.exists(made.cert_file);
  const auto has_key = files.exists(made.key_file);
  if (!has_certificate.ok()) return has_certificate.status();
  if (!has_key.ok()) return has_key.status();
  if (*has_certificate && *has_key) return made;
  if (absl::Status s = files.create_directories(directory); !s.ok()) return s;
  std::vector<std::string> hosts;
  for (const config::Url& url : listen_urls) hosts.push_back(url.hostname());
  const net::SelfSigned pair = net::make_self_signed(hosts, use, unix_seconds, static_cast<int64_t>(years));
  log.warn("automatically generate certificates", {{"validity-years", years}});
  if (absl::Status s = write_file(files, made.cert_file, pair.certificate_pem); !s.ok()) return s;
  log.info("created cert file", {{"path", made.cert_file}});
  if (absl::Status s = write_file(files, made.key_file, pair.key_pem); !s.ok()) return s;
  log.info("created key file", {{"path", made.key_file}});
  return made;
}

}  // namespace holdfast::app
