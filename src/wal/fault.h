// What is wrong with a log, beyond the status code: attached to every error that concerns the log's contents, so that
// callers need not compare texts.
#pragma once

#include <cstdint>
#include <string_view>

#include "absl/status/status.h"

namespace holdfast::wal {

enum class Fault : uint8_t {
  none,
  file_not_found,      // "wal: file not found": no segment, or none for the snapshot
  not_continuous,      // a segment is missing in the sequence
  torn_tail,           // "unexpected EOF": the last write was interrupted; repair() may help
  corrupt,             // "walpb: crc mismatch" or a record no writer produces; names file and position
  metadata_conflict,   // "wal: conflicting metadata found"
  snapshot_mismatch,   // "wal: snapshot mismatch": same index, other term
  snapshot_not_found,  // "wal: snapshot not found"
  slice_out_of_range,  // "wal: slice bounds out of range": entries are missing in between
};

Fault fault_of(const absl::Status& status);
// NotFound for file_not_found and snapshot_not_found, otherwise DataLoss.
absl::Status fault_status(Fault fault, std::string_view message);

}  // namespace holdfast::wal
