// hashkv FILE (UTL-07; etcdutl hashkv): the hash of a bbolt file's keys up to a revision, the one that members answer
// HashKV with (BKT-13). The file is only read.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "apps/holdfastutl/console.h"
#include "apps/holdfastutl/output.h"

namespace holdfast::utl {

struct HashKv {
  uint32_t hash = 0;
  int64_t revision = 0;
  int64_t compact_revision = 0;
};
// `revision` 0: the latest. OutOfRange with etcd's texts for one that is compacted or yet to come. Memory: all keys.
absl::StatusOr<HashKv> hash_kv(Console& console, const std::string& path, int64_t revision);
std::vector<Value> values_of(const HashKv& hash);

}  // namespace holdfast::utl
