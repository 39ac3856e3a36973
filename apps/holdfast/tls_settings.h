// What the TLS flags mean to net/: Go's names of cipher suites in OpenSSL's, and certificates that a member makes for itself
// (parity TLS-06, TLS-07).
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "apps/holdfast/config.h"
#include "base/log.h"
#include "env/file_system.h"
#include "net/listener.h"
#include "net/self_signed.h"

namespace holdfast::app {

// Of --cipher-suites, each known to config::is_cipher_suite(): an OpenSSL cipher list in the same order, which concerns
// TLS 1.2 alone, as in Go. Empty if none of them does. InvalidArgument if OpenSSL has none of those that do.
absl::StatusOr<std::string> openssl_cipher_list(const std::vector<std::string>& suites);

// Of a port that `files` stand for.
absl::StatusOr<net::TlsOptions> tls_settings(const config::Config& config, const config::TlsFiles& files);

// --auto-tls and --peer-auto-tls: `directory`/cert.pem and key.pem, made unless both are there. The files to use, the same as before where
// certificates were given.
absl::StatusOr<config::TlsFiles> self_signed_files(env::FileSystem& files, Logger& log,
                                                   const config::TlsFiles& given,
                                                   net::SelfSignedUse use,
                                                   const std::string& directory,
                                                   const std::vector<config::Url>& listen_urls,
                                                   int64_t unix_seconds, uint64_t years);

}  // namespace holdfast::app
