// The files of a log: names, which of them are needed, and the next one made ahead of time.
#pragma once

#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "base/log.h"
#include "base/types.h"
#include "env/file_system.h"

namespace holdfast::wal {

// WAL-01.
struct SegmentName {
  uint64_t sequence = 0;
  Index first_index;  // of the first entry that the segment may hold

  std::string text() const;  // {sequence:016x}-{first index:016x}.wal
  bool operator==(const SegmentName&) const = default;
};
std::optional<SegmentName> parse_segment_name(std::string_view name);

struct LockedSegment {
  SegmentName name;
  std::unique_ptr<env::File> file;
};

// The segments in `directory` in order; other files are ignored with a warning, *.tmp silently. Fault::file_not_found if
// there are none.
absl::StatusOr<std::vector<SegmentName>> list_segments(env::FileSystem& files, Logger& logger,
                                                       const std::string& directory);
// Without the segments in front of the last gap. Nobody reads them: a power cut may bring purged segments back, and not all
// of those that were purged before them.
std::vector<SegmentName> newest_run(std::vector<SegmentName> segments);
// From the last segment that may hold `index` on. Fault::file_not_found, Fault::not_continuous.
absl::StatusOr<std::vector<SegmentName>> segments_from(env::FileSystem& files, Logger& logger,
                                                       const std::string& directory, Index index);

// For whoever reads a log that a process left behind: its last segment, the only one that can hold bytes of a failed sync,
// shows what is on the disk (env::File::settle). Nothing if there is no segment.
absl::Status settle_tail(env::FileSystem& files, Logger& logger, const std::string& directory);

// Makes the next segment under a temporary name ("0.tmp" or "1.tmp"), full length and locked (WAL-13). Thread-safe:
// prepare() on one thread, the rest on the log's. Shared by the Wal and by whoever runs prepare().
class SegmentPreparer {
 public:
  SegmentPreparer(env::FileSystem& files, std::string directory, uint64_t segment_bytes)
      : files_(files), directory_(std::move(directory)), segment_bytes_(segment_bytes) {}

  // Makes the file unless it is there. An error is not kept: the next attempt starts afresh.
  absl::Status prepare();
  bool ready() const;

  struct Prepared {
    std::unique_ptr<env::File> file;
    std::string path;
  };
  // Hands the file over, making it first if need be; waits if prepare() is at it.
  absl::StatusOr<Prepared> take();
  // Removes the file if there is one; prepare() does nothing from now on.
  void close();

 private:
  absl::Status make();

  env::FileSystem& files_;
  const std::string directory_;
  const uint64_t segment_bytes_;

  mutable std::mutex mutex_;         // held while a file is made, so that take() waits for it
  std::optional<Prepared> prepared_; // guarded by mutex_
  uint64_t made_ = 0;                // guarded by mutex_
  bool closed_ = false;              // guarded by mutex_
};

}  // namespace holdfast::wal
