#include "net/tls_files.h"

#include <openssl/ssl.h>
#include <sys/stat.h>

#include <utility>

#include "base/errors.h"
#include "fmt/format.h"
#include "net/tls_errors.h"

namespace holdfast::net {

absl::Status unusable(std::string_view what, std::string_view file) {
  return make_status(absl::StatusCode::kInvalidArgument,
                     fmt::format("tls: {} {}: {}", what, file, take_tls_error()));
}

absl::Status load_pair(SSL_CTX* context, const std::string& certificate_file, const std::string& key_file) {
  if (SSL_CTX_use_certificate_chain_file(context, certificate_file.c_str()) != 1)
    return unusable("cannot use certificate", certificate_file);
  if (SSL_CTX_use_PrivateKey_file(context, key_file.c_str(), SSL_FILETYPE_PEM) != 1)
    return unusable("cannot use key", key_file);
  if (SSL_CTX_check_private_key(context) != 1) return unusable("key does not fit", certificate_file);
  return absl::OkStatus();
}

TlsFileCache::TlsFileCache(std::vector<std::string> files) : files_(std::move(files)) {}
TlsFileCache::~TlsFileCache() { SSL_CTX_free(context_); }

std::vector<TlsFileCache::Stamp> TlsFileCache::stamps() const {
  const auto nanoseconds = [](const timespec& t) { return t.tv_sec * 1'000'000'000 + t.tv_nsec; };
  std::vector<Stamp> stamps;
  for (const std::string& file : files_) {
    struct stat s {};
    if (file.empty() || ::stat(file.c_str(), &s) != 0) {
      stamps.emplace_back();
    } else {
      stamps.push_back({s.st_dev, s.st_ino, s.st_size, nanoseconds(s.st_mtim), nanoseconds(s.st_ctim)});
    }
  }
  return stamps;
}

TlsFileCache::Made TlsFileCache::get(absl::FunctionRef<Made()> make) {
  std::lock_guard lock(mutex_);
  // Before the files are read: what changes while they are is seen the next time.
  std::vector<Stamp> now = stamps();
  if (context_ == nullptr || now != seen_) {
    const Made made = make();
    if (!made.status.ok()) return made;
    SSL_CTX_free(std::exchange(context_, made.context));
    seen_ = std::move(now);
    ++times_made_;
  }
  SSL_CTX_up_ref(context_);
  return {absl::OkStatus(), context_};
}

uint64_t TlsFileCache::times_made() const {
  std::lock_guard lock(mutex_);
  return times_made_;
}

}  // namespace holdfast::net
