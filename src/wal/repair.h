// What an interrupted write left at the end of the last segment, and its removal (WAL-10).
#pragma once

#include <cstdint>
#include <string>

#include "absl/status/status.h"
#include "env/file_system.h"

namespace holdfast::wal {

struct World;

struct TornTail {
  std::string path;
  env::File& file;  // open for writing, and locked
  uint64_t offset;  // behind the last valid record
  absl::Status tear;
};
// Durable when it returns OK; the segment as it was is kept as "{path}.broken".
absl::Status cut_tail_off(const World& world, const std::string& directory, const TornTail& tail);

}  // namespace holdfast::wal
