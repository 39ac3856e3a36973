// How much the backend may hold, and what a write is reckoned to cost (etcd storage/quota.go; parity PUT-15, TXN-16).
// Asked twice: before a write is proposed, when it is refused and the NOSPACE alarm raised (GEN-15), and when it is
// applied, when it is still carried out but answered with no_space (PUT-14).
#pragma once

#include <cstdint>
#include <string_view>

namespace etcdserverpb {
class PutRequest;
class TxnRequest;
}  // namespace etcdserverpb

namespace holdfast::apply {

inline constexpr int64_t kQuotaBytesDefault = int64_t{2} << 30;
inline constexpr int64_t kQuotaBytesSuggestedMax = int64_t{8} << 30;  // above: a warning at the start
inline constexpr int64_t kPutOverheadBytes = 256;
inline constexpr int64_t kLeaseCostBytes = 64;

// In bytes.
inline int64_t put_cost(std::string_view key, std::string_view value) {
  return kPutOverheadBytes + static_cast<int64_t>(key.size() + value.size());
}
int64_t cost(const etcdserverpb::PutRequest& request);
// The dearer branch; 0 if neither puts, and such a txn always has room.
int64_t cost(const etcdserverpb::TxnRequest& request);

// Immutable, so thread-safe.
class Quota {
 public:
  // --quota-backend-bytes: 0 is the default, negative is no quota.
  explicit Quota(int64_t configured_bytes)
      : limit_(configured_bytes == 0 ? kQuotaBytesDefault : configured_bytes) {}
  // Negative: none.
  int64_t limit_bytes() const { return limit_; }
  // `backend_bytes`: the size allocated (BKT-15).
  bool has_room(int64_t backend_bytes, int64_t cost_bytes) const {
    return cost_bytes == 0 || limit_ < 0 || backend_bytes + cost_bytes < limit_;
  }

 private:
  int64_t limit_;
};

}  // namespace holdfast::apply
