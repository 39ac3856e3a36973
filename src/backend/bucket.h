// The buckets of the backend and the names of what stands in `meta` (parity BKT-01..07; etcd
// server/storage/schema/bucket.go). Bucket names, keys and values are etcd's, byte for byte.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

namespace holdfast::backend {

enum class Bucket : uint8_t {
  key,
  meta,
  lease,
  alarm,
  cluster,
  members,
  members_removed,
  auth,
  auth_users,
  auth_roles
};
inline constexpr size_t kBucketCount = 10;

std::string_view name(Bucket bucket);

// All buckets in the byte order of their names: the order in which etcd walks its file (Hash,
// snapshot).
inline constexpr std::array<Bucket, kBucketCount> kBucketsByName = {
    Bucket::alarm, Bucket::auth,  Bucket::auth_roles, Bucket::auth_users,      Bucket::cluster,
    Bucket::key,   Bucket::lease, Bucket::members,    Bucket::members_removed, Bucket::meta};

// Keys of Bucket::meta. Numbers are 8 bytes big-endian, compaction revisions a 17-byte revision key
// with sub 0.
inline constexpr std::string_view kConsistentIndexKey = "consistent_index";
inline constexpr std::string_view kTermKey = "term";
inline constexpr std::string_view kConfStateKey = "confState";
inline constexpr std::string_view kScheduledCompactKey = "scheduledCompactRev";
inline constexpr std::string_view kFinishedCompactKey = "finishedCompactRev";
inline constexpr std::string_view kStorageVersionKey = "storageVersion";

}  // namespace holdfast::backend
