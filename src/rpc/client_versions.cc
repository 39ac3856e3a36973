#include "rpc/client_versions.h"

#include <cstdint>

#include "base/text.h"

namespace holdfast::rpc {

namespace {
constexpr std::string_view kOther = "other";
}  // namespace

ClientVersions::ClientVersions(env::Metrics& metrics, std::string type)
    : metrics_(metrics), type_(std::move(type)) {}

ClientVersions::~ClientVersions() {
  for (auto& slot : series_) delete slot.load(std::memory_order_relaxed);
}

ClientVersions::Series* ClientVersions::find(std::string_view version) const {
  for (const auto& slot : series_) {
    Series* series = slot.load(std::memory_order_acquire);
    if (series == nullptr) return nullptr;
    if (series->version == version) return series;
  }
  return nullptr;
}

ClientVersions::Series* ClientVersions::add(std::string_view version) {
  const std::lock_guard lock(mutex_);
  if (Series* series = find(version)) return series;
  for (size_t i = 0; i < series_.size(); ++i) {
    if (series_[i].load(std::memory_order_relaxed) != nullptr) continue;
    // The last slot is kept for the versions that find no other.
    if (i + 1 == series_.size()) version = kOther;
    auto* series = new Series{std::string(version), nullptr};
    series->counter = &metrics_.counter("etcd_server_client_requests_total",
                                        "The total number of client requests per client version.",
                                        {{"type", type_}, {"client_api_version", series->version}});
    series_[i].store(series, std::memory_order_release);
    return series;
  }
  return series_.back().load(std::memory_order_relaxed);
}

void ClientVersions::count(std::string_view version) {
  if (version.size() > kClientVersionBytesMax) version = kOther;
  Series* series = find(version);
  if (series == nullptr) series = add(version);
  series->counter->increment();
}

bool is_valid_utf8(std::string_view text) {
  while (!text.empty()) {
    const size_t length = utf8_length(text);
    if (length == 0) return false;
    text.remove_prefix(length);
  }
  return true;
}

}  // namespace holdfast::rpc
