#include "wal/replay.h"

#include <algorithm>

#include "base/errors.h"
#include "fmt/format.h"

namespace holdfast::wal {

namespace {

absl::Status corrupt(const absl::Status& reason, const Decoder& decoder) {
  return fault_status(Fault::corrupt,
                      fmt::format("wal: {}: {}", message(reason), decoder.position()));
}

absl::Status corrupt(std::string_view reason, const Decoder& decoder) {
  return fault_status(Fault::corrupt, fmt::format("wal: {}: {}", reason, decoder.position()));
}

}  // namespace

absl::Status Replay::read_all(Decoder& decoder) {
  Record record;
  for (;;) {
    const absl::StatusOr<bool> more = decoder.next(record);
    if (!more.ok()) return more.status();
    if (!*more) return absl::OkStatus();
    if (absl::Status s = apply(record, decoder); !s.ok()) return s;
  }
}

absl::Status Replay::found() const {
  if (snapshot_seen_) return absl::OkStatus();
  return fault_status(Fault::snapshot_not_found,
                      fmt::format("wal: snapshot not found: index {}, term {}", from_.index.value,
                                  from_.term.value));
}

absl::Status Replay::run(Decoder& decoder) {
  if (absl::Status s = read_all(decoder); !s.ok()) return s;
  return found();
}

absl::Status Replay::scan(Decoder& decoder) {
  absl::Status status = read_all(decoder);
  if (fault_of(status) != Fault::torn_tail) return status;
  tear_ = std::move(status);
  return absl::OkStatus();
}

absl::Status Replay::run_to_tear(Decoder& decoder) {
  if (absl::Status s = scan(decoder); !s.ok()) return s;
  return found();
}

absl::Status Replay::apply(const Record& record, const Decoder& decoder) {
  switch (record.type) {
    case RecordType::crc:
      return absl::OkStatus();
    case RecordType::metadata:
      if (metadata_seen_ && contents_.metadata != record.data) {
        return fault_status(
            Fault::metadata_conflict,
            fmt::format("wal: conflicting metadata found: {}", decoder.position()));
      }
      metadata_seen_ = true;
      contents_.metadata = record.data;
      return absl::OkStatus();
    case RecordType::state: {
      const absl::StatusOr<raft::HardState> state = decode_state(record.data);
      if (!state.ok()) return corrupt(state.status(), decoder);
      contents_.hard_state = *state;
      return absl::OkStatus();
    }
    case RecordType::entry: {
      if (keep_ == Entries::skipped) return absl::OkStatus();
      absl::StatusOr<raft::Entry> entry = decode_entry(record.data);
      if (!entry.ok()) return corrupt(entry.status(), decoder);
      return apply_entry(*std::move(entry), decoder);
    }
    case RecordType::snapshot: {
      const absl::StatusOr<SnapshotRecord> snapshot = decode_snapshot(record.data);
      if (!snapshot.ok()) return corrupt(snapshot.status(), decoder);
      return apply_snapshot(*snapshot);
    }
  }
  return corrupt("unexpected block type", decoder);
}

// A later entry replaces the one with its index and all behind it: those were never committed (WAL-09).
absl::Status Replay::apply_entry(raft::Entry entry, const Decoder& decoder) {
  last_index_ = entry.index;
  std::vector<raft::Entry>& entries = contents_.entries;
  if (entry.index <= from_.index) {
    // etcd keeps them: they come back behind the snapshot as if they followed it, with terms that make the member vote for
    // candidates that lack what it has acknowledged.
    entries.clear();
    term_at_from_ = entry.index == from_.index ? std::optional(entry.term) : std::nullopt;
    return absl::OkStatus();
  }
  const uint64_t offset = entry.index - from_.index - 1;
  if (offset > entries.size()) {
    return fault_status(
        Fault::slice_out_of_range,
        fmt::format("wal: slice bounds out of range, snapshot[Index: {}, Term: {}], current "
                    "entry[Index: {}, Term: {}], len(ents): {}: {}",
                    from_.index.value, from_.term.value, entry.index.value, entry.term.value,
                    entries.size(), decoder.position()));
  }
  entries.resize(offset);
  if (!entries.empty() && entry.term < entries.back().term)
    return corrupt("term of entry is lower than that of the one before", decoder);
  entries.push_back(std::move(entry));
  return absl::OkStatus();
}

absl::Status Replay::apply_snapshot(const SnapshotRecord& snapshot) {
  last_index_ = std::max(last_index_, snapshot.index);
  snapshots_.push_back(snapshot);
  if (snapshot.index != from_.index) return absl::OkStatus();
  if (snapshot.term != from_.term) {
    return fault_status(Fault::snapshot_mismatch,
                        fmt::format("wal: snapshot mismatch: index {} has term {}, expected {}",
                                    snapshot.index.value, snapshot.term.value, from_.term.value));
  }
  // One that was received took the place of a log that did not lead up to it; of one that was taken here the last entry is
  // in the log.
  if (!snapshot_seen_ && term_at_from_ != from_.term) contents_.entries.clear();
  snapshot_seen_ = true;
  return absl::OkStatus();
}

}  // namespace holdfast::wal
