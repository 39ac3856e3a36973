// Keys of Bucket::key: 8 bytes big-endian main, '_', 8 bytes big-endian sub; a tombstone adds 't'
// (parity BKT-02, TRP-55; etcd server/storage/mvcc/revision.go).
#pragma once

#include <compare>
#include <cstdint>
#include <cstring>
#include <string_view>

namespace holdfast::backend {

inline constexpr size_t kRevisionKeyBytes = 17;
inline constexpr size_t kTombstoneKeyBytes = 18;

// Main revision of a transaction and the number of the change inside it (from 0).
struct RevisionPair {
  int64_t main = 0;
  int64_t sub = 0;
  auto operator<=>(const RevisionPair&) const = default;
};

struct RevisionKey {
  RevisionPair revision;
  bool tombstone = false;
  auto operator<=>(const RevisionKey&) const = default;
};

// The encoded form, without allocation.
class RevisionKeyBytes {
 public:
  explicit RevisionKeyBytes(const RevisionKey& key) {
    store_be64(bytes_, static_cast<uint64_t>(key.revision.main));
    bytes_[8] = '_';
    store_be64(bytes_ + 9, static_cast<uint64_t>(key.revision.sub));
    bytes_[17] = 't';
    size_ = key.tombstone ? kTombstoneKeyBytes : kRevisionKeyBytes;
  }
  explicit RevisionKeyBytes(RevisionPair revision) : RevisionKeyBytes(RevisionKey{revision}) {}
  std::string_view view() const { return {bytes_, size_}; }
  operator std::string_view() const { return view(); }

 private:
  static void store_be64(char* to, uint64_t v) {
    v = __builtin_bswap64(v);
    std::memcpy(to, &v, sizeof v);
  }
  char bytes_[kTombstoneKeyBytes];
  uint8_t size_;
};

// False if `bytes` is no revision key (length, separator, negative number, mark).
inline bool parse_revision_key(std::string_view bytes, RevisionKey& key) {
  if (bytes.size() != kRevisionKeyBytes && bytes.size() != kTombstoneKeyBytes) return false;
  uint64_t main, sub;
  std::memcpy(&main, bytes.data(), 8);
  std::memcpy(&sub, bytes.data() + 9, 8);
  key.revision.main = static_cast<int64_t>(__builtin_bswap64(main));
  key.revision.sub = static_cast<int64_t>(__builtin_bswap64(sub));
  key.tombstone = bytes.size() == kTombstoneKeyBytes;
  if (key.tombstone && bytes[17] != 't') return false;
  return bytes[8] == '_' && key.revision.main >= 0 && key.revision.sub >= 0;
}

}  // namespace holdfast::backend
