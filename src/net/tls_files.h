// Certificates, keys and authorities in files that may be replaced while we run: parsed once, and again when a file's
// stamp (inode, size, times) is another one. Parsing them anew for each handshake, as etcd does, costs more than the handshake
// where the authorities are the system's some hundred.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <mutex>
#include <string>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"

typedef struct ssl_ctx_st SSL_CTX;
typedef struct ssl_st SSL;

namespace holdfast::net {

// INVALID_ARGUMENT naming the file.
absl::Status load_pair(SSL_CTX* context, const std::string& certificate_file, const std::string& key_file);
absl::Status unusable(std::string_view what, std::string_view file);

// A context that was made from files, kept for as long as they are what they were. Thread-safe.
class TlsFileCache {
 public:
  explicit TlsFileCache(std::vector<std::string> files);  // empty names stand for no file
  ~TlsFileCache();
  TlsFileCache(const TlsFileCache&) = delete;
  TlsFileCache& operator=(const TlsFileCache&) = delete;

  // A reference of the caller's own. `make` runs if there is none or a file has changed; a failure of it is not kept.
  struct Made {
    absl::Status status;
    SSL_CTX* context = nullptr;
  };
  Made get(absl::FunctionRef<Made()> make);
  uint64_t times_made() const;  // for tests

 private:
  struct Stamp {
    uint64_t device = 0, inode = 0;
    int64_t size = -1;  // -1: not there
    int64_t modified = 0, changed = 0;  // nanoseconds
    bool operator==(const Stamp&) const = default;
  };
  std::vector<Stamp> stamps() const;

  const std::vector<std::string> files_;
  mutable std::mutex mutex_;
  std::vector<Stamp> seen_;
  SSL_CTX* context_ = nullptr;
  uint64_t times_made_ = 0;
};

}  // namespace holdfast::net
