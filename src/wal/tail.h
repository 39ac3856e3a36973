// The entries behind one snapshot, as the part of the log that has been read has them.
#pragma once

#include <optional>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "raft/types.h"
#include "wal/decoder.h"
#include "wal/record.h"

namespace holdfast::wal {

class Tail {
 public:
  explicit Tail(const SnapshotRecord& from) : from_{from.index, from.term, {}} {}

  // The next entry of the log. It replaces the one with its index and all behind it: those were never committed (WAL-09).
  // Faults: corrupt, slice_out_of_range, with the place that `decoder` has reached.
  absl::Status append(raft::Entry entry, const Decoder& decoder);
  bool is_of(const SnapshotRecord& snapshot) const { return snapshot.index == from_.index && snapshot.term == from_.term; }
  // A record of from() has been read.
  void on_snapshot();
  // The tail of `snapshot`, a later one, whose record has been read.
  Tail behind(const SnapshotRecord& snapshot) const;

  const SnapshotRecord& from() const { return from_; }
  std::vector<raft::Entry> take_entries() { return std::move(entries_); }

 private:
  SnapshotRecord from_;  // no configuration
  std::vector<raft::Entry> entries_;
  std::optional<Term> term_at_from_;  // of the entry at from_.index, as it stands now
};

}  // namespace holdfast::wal
