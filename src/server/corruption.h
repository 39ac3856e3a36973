// Whether members that should hold the same data do: what their hashes say (etcd server/etcdserver/corrupt.go; parity
// OPS-14). PURE.
#pragma once

#include <vector>

#include "absl/status/statusor.h"
#include "base/types.h"
#include "mvcc/store.h"

namespace holdfast::server {

// What one other member answered when it was asked for its hash at a revision. Errors: compacted, future_rev,
// cluster_id_mismatch are its own; any other: nobody answered.
struct PeerHash {
  MemberId member;
  absl::StatusOr<mvcc::HashResult> hash;
};

// The others whose data at `own.hash_revision` differ from ours. A member that compacted at another revision can't be
// compared: it hashes other records.
std::vector<MemberId> members_that_differ(const mvcc::HashResult& own, const std::vector<PeerHash>& others);

// Of a leader: `before` and `after` are its hashes before the others were asked and after a linearizable read that began
// when they had answered. The members that can't have got where they are by applying the leader's log: the leader
// itself (`self`) if its hash at one revision changed; others that are ahead of it, or that differ. In order, once each.
std::vector<MemberId> members_off_the_log(MemberId self, const mvcc::HashResult& before,
                                          const mvcc::HashResult& after,
                                          const std::vector<PeerHash>& others);

// What the hashes that all members take at the same compaction say.
struct CompactionVerdict {
  enum class Kind : uint8_t {
    incomplete,  // nobody differs, but not all could be compared
    equal,
    different
  } kind = Kind::incomplete;
  size_t compared = 0;  // others
  // Of `different`: those outside the majority that agrees; just the id 0, the cluster, if there is no such majority.
  std::vector<MemberId> corrupt;
};
CompactionVerdict judge(MemberId self, const mvcc::CompactionHash& own, const std::vector<PeerHash>& others);

}  // namespace holdfast::server
