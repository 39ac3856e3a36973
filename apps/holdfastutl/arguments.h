// The words and flags of a command line: "--flag value" or "--flag=value", as etcdutl takes them.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "apps/holdfastutl/data_dir.h"
#include "apps/holdfastutl/snapshot_restore.h"

namespace holdfast::utl {

struct Line {
  std::vector<std::string> words;
  DataDir dir;
  RestoreOptions restore;  // its flags; not file and dir
  std::string format = "simple";
  int64_t revision = 0;
  // Taken, since scripts give them to etcdutl, and without effect: bbolt's map, and the wait for its lock.
  uint64_t initial_map_bytes = 0;
  std::string timeout;
};
// InvalidArgument naming what isn't understood.
absl::StatusOr<Line> parse_arguments(const std::vector<std::string>& arguments);

}  // namespace holdfast::utl
