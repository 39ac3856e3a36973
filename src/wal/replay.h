// What the records of a log mean, read in order: the loop shared by opening, verifying and looking for snapshots.
#pragma once

#include <optional>
#include <vector>

#include "absl/status/status.h"
#include "wal/decoder.h"
#include "wal/wal.h"

namespace holdfast::wal {

class Replay {
 public:
  enum class Entries : uint8_t { kept, skipped };

  Replay(const SnapshotRecord& from, Entries entries) : from_(from), keep_(entries) {}

  // Reads to the end. Faults: those of Decoder, corrupt, metadata_conflict, snapshot_mismatch, snapshot_not_found,
  // slice_out_of_range (WAL-09).
  absl::Status run(Decoder& decoder);
  // As run(), but for a log that somebody may be writing or that was just interrupted: a torn tail is the end.
  absl::Status run_to_tear(Decoder& decoder);
  // run_to_tear() without asking for the snapshot record of `from`.
  absl::Status scan(Decoder& decoder);

  // Where and why scan() or run_to_tear() ended before the end; OK if they did not.
  const absl::Status& tear() const { return tear_; }
  const Contents& contents() const { return contents_; }
  Contents take_contents() { return std::move(contents_); }
  Index last_index() const { return last_index_; }
  const std::vector<SnapshotRecord>& snapshots() const { return snapshots_; }

 private:
  absl::Status read_all(Decoder& decoder);
  absl::Status found() const;
  absl::Status apply(const Record& record, const Decoder& decoder);
  absl::Status apply_entry(raft::Entry entry, const Decoder& decoder);
  absl::Status apply_snapshot(const SnapshotRecord& snapshot);

  const SnapshotRecord from_;
  const Entries keep_;
  Contents contents_;
  absl::Status tear_;
  bool metadata_seen_ = false;
  bool snapshot_seen_ = false;
  Index last_index_;
  std::optional<Term> term_at_from_;  // of the entry at from_.index, as it stands now
  std::vector<SnapshotRecord> snapshots_;
};

}  // namespace holdfast::wal
