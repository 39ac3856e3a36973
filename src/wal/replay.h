// What the records of a log mean, read in order: the loop shared by opening, verifying and looking for snapshots.
#pragma once

#include <optional>
#include <vector>

#include "absl/status/status.h"
#include "wal/decoder.h"
#include "wal/newest_tail.h"
#include "wal/tail.h"
#include "wal/wal.h"

namespace holdfast::wal {

class Replay {
 public:
  enum class Entries : uint8_t { kept, skipped };

  Replay(const SnapshotRecord& from, Entries entries) : keep_(entries), tail_(from) {}
  // From the newest snapshot that counts, whichever that turns out to be: scan() of `run`, then valid_snapshots() and
  // take_entries_behind(). Entries of the segments in front of the last one that may hold `guess` are not looked at.
  Replay(const std::vector<SegmentName>& run, Index guess);

  // Reads to the end. Faults: those of Decoder, corrupt, metadata_conflict, snapshot_mismatch, snapshot_not_found,
  // slice_out_of_range (WAL-09).
  absl::Status run(Decoder& decoder);
  // As run(), but for a log that somebody may be writing or that was just interrupted: a torn tail is the end.
  absl::Status run_to_tear(Decoder& decoder);
  // run_to_tear() without asking for the snapshot record of `from`.
  absl::Status scan(Decoder& decoder);

  // Where and why scan() or run_to_tear() ended before the end; OK if they did not.
  const absl::Status& tear() const { return tear_; }
  const raft::HardState& hard_state() const { return state_; }
  const std::string& metadata() const { return metadata_; }
  Index last_index() const { return last_index_; }
  // After scan() of the segments from `first` on: those that are noted and committed, in the order of the log (WAL-14).
  absl::StatusOr<std::vector<SnapshotRecord>> valid_snapshots(const SegmentName& first) const;

  std::vector<raft::Entry> take_entries() { return tail_.take_entries(); }
  // The entries behind `newest`, one of valid_snapshots(); nothing if another reading has to tell.
  std::optional<std::vector<raft::Entry>> take_entries_behind(const SnapshotRecord& newest);

 private:
  absl::Status read_all(Decoder& decoder);
  absl::Status found() const;
  absl::Status apply(const Record& record, const Decoder& decoder);
  bool skips_entries(const Decoder& decoder) const;
  absl::Status apply_entry(std::string_view data, const Decoder& decoder);
  absl::Status apply_snapshot(const SnapshotRecord& snapshot);

  const Entries keep_;
  std::string metadata_;
  raft::HardState state_;
  absl::Status tear_;
  bool metadata_seen_ = false;
  bool snapshot_seen_ = false;
  Index last_index_;
  std::vector<SnapshotRecord> snapshots_;
  Tail tail_;                              // of the snapshot that was asked for
  std::optional<NewestTail> newest_tail_;  // or of the newest
  size_t skipped_segments_ = 0;
};

// {0, 0} if there is none. It need not be the last: a member's own snapshot may be under way when it receives a later one,
// and is then noted behind that. Without the configuration.
SnapshotRecord newest_of(const std::vector<SnapshotRecord>& snapshots);

}  // namespace holdfast::wal
