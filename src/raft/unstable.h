// The end of the log that is not yet in Storage: entries and perhaps a snapshot, some of them on
// their way to disk.
#pragma once

#include <memory>
#include <optional>

#include "base/types.h"
#include "raft/entries.h"
#include "raft/logger.h"

namespace holdfast::raft {

struct EntryId {
  Term term;
  Index index;

  bool operator==(const EntryId&) const = default;
};

// Position i of the log is here for i in [offset(), offset() + size()). offset() may lie before the
// end of Storage: then the next write replaces what Storage holds from there.
class Unstable {
 public:
  Unstable(Index offset, Logger& logger)
      : logger_(logger), offset_(offset), offset_in_progress_(offset) {}

  Index offset() const { return offset_; }
  Index offset_in_progress() const { return offset_in_progress_; }
  size_t size() const { return block_.size() - front_; }
  bool empty() const { return size() == 0; }

  // Nothing where Storage has the answer.
  std::optional<Index> first_index() const {
    if (!snapshot_) return std::nullopt;
    return snapshot_->metadata.index + 1;
  }
  std::optional<Index> last_index() const {
    if (!empty()) return offset_ + size() - 1;
    if (snapshot_) return snapshot_->metadata.index;
    return std::nullopt;
  }
  std::optional<Term> term(Index index) const;

  // Entries that nobody is writing yet.
  bool has_next_entries() const { return size() > offset_in_progress_ - offset_; }
  Entries next_entries() const;
  // Null if there is none, or it is being written.
  std::shared_ptr<const Snapshot> next_snapshot() const {
    return snapshot_in_progress_ ? nullptr : snapshot_;
  }  // shared with its sender
  const std::shared_ptr<const Snapshot>& snapshot() const { return snapshot_; }

  // What next_entries() and next_snapshot() returned is now being written.
  void accept_in_progress();
  // Entries up to `id` are in Storage. Only to be called if no write on its way can replace them.
  void stable_to(EntryId id);
  void stable_snapshot_to(Index index);

  // The log starts over from a snapshot.
  void restore(std::shared_ptr<const Snapshot> snapshot);
  // Appends entries; those at or behind the first one's index are replaced.
  void truncate_and_append(const Entries& entries);
  // A leader's append: as above at the end of the log, with term and consecutive indexes given to
  // the entries.
  void append_proposals(const Entries& entries, Term term, Index first);

  // Entries [low, high), all of which must be here.
  Entries slice(Index low, Index high) const;

 private:
  void reserve(size_t more);
  void clear();

  Logger& logger_;
  std::shared_ptr<const Snapshot> snapshot_;
  bool snapshot_in_progress_ = false;
  // Entries before front_ are stable and only kept until the block is replaced.
  EntryBlock block_;
  size_t front_ = 0;
  Index offset_;
  // One behind the last entry being written. Invariant: offset_ <= offset_in_progress_.
  Index offset_in_progress_;
};

}  // namespace holdfast::raft
