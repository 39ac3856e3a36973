#include "rpc/client_versions.h"

#include <cstdint>

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
  const auto* p = reinterpret_cast<const uint8_t*>(text.data());
  const auto* end = p + text.size();
  while (p < end) {
    const uint8_t lead = *p++;
    if (lead < 0x80) continue;
    int more;
    uint8_t low = 0x80,
            high = 0xbf;  // of the second byte: no overlong forms, surrogates, or beyond U+10FFFF
    if (lead >= 0xc2 && lead <= 0xdf) {
      more = 1;
    } else if (lead >= 0xe0 && lead <= 0xef) {
      more = 2;
      if (lead == 0xe0) low = 0xa0;
      if (lead == 0xed) high = 0x9f;
    } else if (lead >= 0xf0 && lead <= 0xf4) {
      more = 3;
      if (lead == 0xf0) low = 0x90;
      if (lead == 0xf4) high = 0x8f;
    } else {
      return false;
    }
    for (int i = 0; i < more; ++i, ++p) {
      if (p == end || *p < low || *p > high) return false;
      low = 0x80;
      high = 0xbf;
    }
  }
  return true;
}

}  // namespace holdfast::rpc
