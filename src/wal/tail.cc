#include "wal/tail.h"

#include "fmt/format.h"
#include "wal/fault.h"

namespace holdfast::wal {

absl::Status Tail::append(raft::Entry entry, const Decoder& decoder) {
  if (entry.index <= from_.index) {
    // etcd keeps them: they come back behind the snapshot as if they followed it, with terms that make the member vote for
    // candidates that lack what it has acknowledged.
    entries_.clear();
    term_at_from_ = entry.index == from_.index ? std::optional(entry.term) : std::nullopt;
    return absl::OkStatus();
  }
  const uint64_t offset = entry.index - from_.index - 1;
  if (offset > entries_.size()) {
    return fault_status(
        Fault::slice_out_of_range,
        fmt::format("wal: slice bounds out of range, snapshot[Index: {}, Term: {}], current "
                    "entry[Index: {}, Term: {}], len(ents): {}: {}",
                    from_.index.value, from_.term.value, entry.index.value, entry.term.value,
                    entries_.size(), decoder.position()));
  }
  entries_.resize(offset);
  if (!entries_.empty() && entry.term < entries_.back().term)
    return fault_status(Fault::corrupt, fmt::format("wal: term of entry is lower than that of the one before: {}",
                                                    decoder.position()));
  entries_.push_back(std::move(entry));
  return absl::OkStatus();
}

// One that was received took the place of a log that did not lead up to it; of one that was taken here the last entry is in
// the log.
void Tail::on_snapshot() {
  if (term_at_from_ != from_.term) entries_.clear();
  term_at_from_ = from_.term;
}

Tail Tail::behind(const SnapshotRecord& snapshot) const {
  Tail tail(snapshot);
  tail.term_at_from_ = snapshot.term;
  const uint64_t last = snapshot.index - from_.index - 1;  // that the snapshot holds
  if (last < entries_.size() && entries_[last].term == snapshot.term)
    tail.entries_.assign(entries_.begin() + static_cast<ptrdiff_t>(last) + 1, entries_.end());
  return tail;
}

}  // namespace holdfast::wal
