// etcd_server_client_requests_total{type, client_api_version} (GEN-10, MET-12). The version is
// whatever a client says, so the number of series is bounded; a call costs one comparison per
// version seen.
#pragma once

#include <array>
#include <atomic>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>

#include "env/metrics.h"

namespace holdfast::rpc {

// Clients of one cluster have a few versions. Those beyond are counted as "other".
inline constexpr size_t kClientVersionsMax = 100;
// What a version is at most; longer ones count as "other" too.
inline constexpr size_t kClientVersionBytesMax = 64;

// Thread-safe.
class ClientVersions {
 public:
  // `type`: "unary" or "stream".
  ClientVersions(env::Metrics& metrics, std::string type);
  ~ClientVersions();

  void count(std::string_view version);

 private:
  struct Series {
    std::string version;
    env::Counter* counter;
  };
  Series* find(std::string_view version) const;
  Series* add(std::string_view version);

  env::Metrics& metrics_;
  const std::string type_;
  // Filled from the front; a slot never changes once it is set.
  std::array<std::atomic<Series*>, kClientVersionsMax> series_{};
  std::mutex mutex_;  // for adding
};

// As Go's utf8.ValidString.
bool is_valid_utf8(std::string_view text);

}  // namespace holdfast::rpc
