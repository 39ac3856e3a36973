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

Replay::Replay(const std::vector<SegmentName>& run, Index guess) : keep_(Entries::kept), tail_(SnapshotRecord{}) {
  for (size_t i = 0; i < run.size(); ++i)
    if (run[i].first_index <= guess) skipped_segments_ = i;
  newest_tail_.emplace(run[skipped_segments_].first_index);
}

bool Replay::skips_entries(const Decoder& decoder) const {
  return keep_ == Entries::skipped || decoder.segment() < skipped_segments_;
}

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
                      fmt::format("wal: snapshot not found: index {}, term {}", tail_.from().index.value,
                                  tail_.from().term.value));
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
      if (metadata_seen_ && metadata_ != record.data) {
        return fault_status(
            Fault::metadata_conflict,
            fmt::format("wal: conflicting metadata found: {}", decoder.position()));
      }
      metadata_seen_ = true;
      metadata_ = record.data;
      return absl::OkStatus();
    case RecordType::state: {
      const absl::StatusOr<raft::HardState> state = decode_state(record.data);
      if (!state.ok()) return corrupt(state.status(), decoder);
      state_ = *state;
      if (newest_tail_) newest_tail_->on_committed(state_.commit);
      return absl::OkStatus();
    }
    case RecordType::entry:
      return skips_entries(decoder) ? absl::OkStatus() : apply_entry(record.data, decoder);
    case RecordType::snapshot: {
      const absl::StatusOr<SnapshotRecord> snapshot = decode_snapshot(record.data);
      if (!snapshot.ok()) return corrupt(snapshot.status(), decoder);
      return apply_snapshot(*snapshot);
    }
  }
  return corrupt("unexpected block type", decoder);
}

absl::Status Replay::apply_entry(std::string_view data, const Decoder& decoder) {
  absl::StatusOr<raft::Entry> entry = decode_entry(data);
  if (!entry.ok()) {
    if (!newest_tail_) return corrupt(entry.status(), decoder);
    newest_tail_->on_malformed_entry();  // it may stand before what counts
    return absl::OkStatus();
  }
  last_index_ = entry->index;
  if (!newest_tail_) return tail_.append(*std::move(entry), decoder);
  newest_tail_->append(*std::move(entry), decoder);
  return absl::OkStatus();
}

absl::Status Replay::apply_snapshot(const SnapshotRecord& snapshot) {
  last_index_ = std::max(last_index_, snapshot.index);
  snapshots_.push_back(snapshot);
  if (newest_tail_) {
    newest_tail_->on_snapshot(snapshot, state_.commit);
    return absl::OkStatus();
  }
  const SnapshotRecord& from = tail_.from();
  if (snapshot.index != from.index) return absl::OkStatus();
  if (snapshot.term != from.term) {
    return fault_status(Fault::snapshot_mismatch,
                        fmt::format("wal: snapshot mismatch: index {} has term {}, expected {}",
                                    snapshot.index.value, snapshot.term.value, from.term.value));
  }
  tail_.on_snapshot();
  snapshot_seen_ = true;
  return absl::OkStatus();
}

absl::StatusOr<std::vector<SnapshotRecord>> Replay::valid_snapshots(const SegmentName& first) const {
  std::vector<SnapshotRecord> valid = snapshots_;
  std::erase_if(valid, [this](const SnapshotRecord& snapshot) { return snapshot.index > state_.commit; });
  // What begins behind the first entry was cut at a snapshot that it notes at its very beginning: no snapshot, then, is no
  // torn tail but damage, and there is nothing to go on from.
  if (valid.empty() && !tear_.ok() && first.first_index > Index(0))
    return make_status(absl::StatusCode::kDataLoss, message(tear_));
  return valid;
}

std::optional<std::vector<raft::Entry>> Replay::take_entries_behind(const SnapshotRecord& newest) {
  for (const SnapshotRecord& snapshot : snapshots_)
    if (snapshot.index == newest.index && snapshot.term != newest.term) return std::nullopt;
  std::optional<Tail> tail = newest_tail_->take(newest);
  if (!tail) return std::nullopt;
  return tail->take_entries();
}

SnapshotRecord newest_of(const std::vector<SnapshotRecord>& snapshots) {
  SnapshotRecord newest;
  for (const SnapshotRecord& snapshot : snapshots)
    if (snapshot.index > newest.index) newest = {snapshot.index, snapshot.term, {}};
  return newest;
}

}  // namespace holdfast::wal
