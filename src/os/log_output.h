// Where log lines end up: a descriptor (stderr, stdout), a file that grows, or a file that is rotated the way etcd's
// users know it (parity TLS-13, F-086, F-087).
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "env/clock.h"

namespace holdfast::os {

// Used by one thread. A write that fails is dropped: there is nowhere to complain.
class LogOutput {
 public:
  virtual ~LogOutput() = default;
  // Whole lines, each with its '\n'.
  virtual void write(std::string_view lines) = 0;
};

// Not closed by the output: stderr and stdout belong to the process.
std::unique_ptr<LogOutput> log_to_descriptor(int descriptor);

absl::StatusOr<std::unique_ptr<LogOutput>> log_to_file(const std::string& path);

struct RotationSettings {
  uint64_t size_bytes_max = 100 << 20;
  int64_t age_days_max = 0;  // 0: keep whatever its age
  int64_t backups_max = 0;   // 0: keep all
  bool local_time = false;   // in the names of backups; otherwise UTC
  bool compress = false;     // gzip
};
// The file is moved away before a line would make it larger than size_bytes_max: name.log becomes
// name-2006-01-02T15-04-05.000.log in the same directory. `clock` must outlive the output.
absl::StatusOr<std::unique_ptr<LogOutput>> log_to_rotated_file(const std::string& path,
                                                               const RotationSettings& settings,
                                                               const env::Clock& clock);

}  // namespace holdfast::os
