// The hash over records of Bucket::key by which members compare their stores (parity BKT-13,
// TRP-57; etcd server/storage/mvcc/hash.go). PURE.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "backend/bucket.h"
#include "backend/revision_key.h"
#include "base/crc32c.h"

namespace holdfast::mvcc {

using backend::RevisionKey;
using backend::RevisionPair;

// A sorted list of revisions, asked about in ascending order.
class KeptRevisions {
 public:
  // Sorts `revisions`, which must outlive this.
  explicit KeptRevisions(std::vector<RevisionPair>& revisions);
  bool contains(RevisionPair revision) {
    while (next_ < revisions_.size() && revisions_[next_] < revision) ++next_;
    return next_ < revisions_.size() && revisions_[next_] == revision;
  }
  bool empty() const { return revisions_.empty(); }

 private:
  const std::vector<RevisionPair>& revisions_;
  size_t next_ = 0;
};

// Takes in records up to `revision` in ascending order. Of those up to `compact_revision` only the
// kept ones count (all, if nothing is kept: then nothing was compacted), and never a tombstone
// exactly there: older members deleted it.
class RevisionHash {
 public:
  RevisionHash(int64_t compact_revision, int64_t revision)
      : compact_revision_(compact_revision),
        revision_(revision),
        crc_(crc32c(backend::name(backend::Bucket::key))) {}

  void add(const RevisionKey& key, std::string_view value, bool is_kept, bool nothing_kept) {
    const int64_t main = key.revision.main;
    if (main > revision_) return;
    if (main <= compact_revision_ && !nothing_kept && !is_kept) return;
    if (main == compact_revision_ && key.tombstone) return;
    crc_ = crc32c_extend(crc32c_extend(crc_, backend::RevisionKeyBytes(key)), value);
  }
  uint32_t value() const { return crc_; }

 private:
  const int64_t compact_revision_;
  const int64_t revision_;
  uint32_t crc_;
};

}  // namespace holdfast::mvcc
