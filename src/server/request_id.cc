#include "server/request_id.h"

namespace holdfast::server {

namespace {
constexpr int kSuffixBits = 48;
constexpr int kCounterBits = 8;
constexpr uint64_t kSuffixMask = (uint64_t{1} << kSuffixBits) - 1;
}  // namespace

RequestIdGenerator::RequestIdGenerator(MemberId member, int64_t unix_nanoseconds)
    : prefix_(member.value << kSuffixBits),
      suffix_((static_cast<uint64_t>(unix_nanoseconds / 1'000'000) << kCounterBits) & kSuffixMask) {}

uint64_t RequestIdGenerator::next() {
  return prefix_ | ((suffix_.fetch_add(1, std::memory_order_relaxed) + 1) & kSuffixMask);
}

}  // namespace holdfast::server
