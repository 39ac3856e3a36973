// snapshot status FILE (UTL-03; etcdutl snapshot status): reads and checks a bbolt file, of ours or etcd's.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "apps/holdfastutl/console.h"
#include "apps/holdfastutl/output.h"

namespace holdfast::utl {

struct SnapshotStatus {
  uint32_t hash = 0;  // CRC-32C over the names of the buckets, their keys and values
  int64_t revision = 0;
  int64_t total_keys = 0;  // live ones
  int64_t total_bytes = 0;
  std::string version;  // of the storage; empty before 3.6
};
absl::StatusOr<SnapshotStatus> snapshot_status(Console& console, const std::string& path);
std::vector<Value> values_of(const SnapshotStatus& status);

}  // namespace holdfast::utl
