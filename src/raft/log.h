// The whole log: what Storage holds and, behind it, what is unstable. And how far it is committed
// and applied.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "absl/functional/function_ref.h"
#include "base/types.h"
#include "raft/entries.h"
#include "raft/logger.h"
#include "raft/storage.h"
#include "raft/unstable.h"

namespace holdfast::raft {

enum class AllowUnstable : bool { no, yes };

class Log {
 public:
  // max_applying_size: bytes of committed entries handed out and not reported applied.
  Log(Storage& storage, Logger& logger, uint64_t max_applying_size);

  // Invariant: applied <= applying <= committed <= last_index.
  Index committed() const { return committed_; }
  Index applying() const { return applying_; }
  Index applied() const { return applied_; }
  uint64_t max_applying_size() const { return max_applying_size_; }
  const Unstable& unstable() const { return unstable_; }
  const Storage& storage() const { return storage_; }

  Index first_index() const;
  Index last_index() const;
  EntryId last_id() const;
  // Errors: compacted, unavailable.
  StorageResult<Term> term(Index index) const;
  Term term_or_zero(Index index) const { return term(index).value_or(Term(0)); }
  bool matches(EntryId id) const;
  // Would a candidate whose log ends with `theirs` have everything that may be committed here
  // (Raft 5.4.1)?
  bool up_to_date(EntryId theirs) const;

  // A follower's append of entries behind `previous`, by a leader that has committed `committed`.
  // The last index then known to match, or nothing if `previous` is not in the log.
  std::optional<Index> maybe_append(EntryId previous, const Entries& entries, Index committed);
  // Appends, replacing what stands there. The last index.
  Index append(const Entries& entries);
  // A leader's append. The last index.
  Index append_proposals(const Entries& entries, Term term);
  // The guess where this log and another one, that has `term` at `index`, agree: the highest index
  // up to `index` whose term is at most `term`, and its term (0 if not known).
  EntryId find_conflict_by_term(Index index, Term term) const;

  void commit_to(Index index);
  // For a leader: commits up to `id` if that is news and the log has that entry (Raft 5.4.2).
  bool maybe_commit(EntryId id);
  // Bootstrap only: entries whose commitment is given by fiat.
  void set_committed(Index index) { committed_ = index; }

  bool has_next_committed(AllowUnstable allow) const;
  Entries next_committed(AllowUnstable allow) const;
  // next_committed() up to `index`, of so many bytes, was handed out.
  void accept_applying(Index index, uint64_t size, AllowUnstable allow);
  void applied_to(Index index, uint64_t size);

  bool has_next_unstable() const { return unstable_.has_next_entries(); }
  Entries next_unstable() const { return unstable_.next_entries(); }
  std::shared_ptr<const Snapshot> next_unstable_snapshot() const {
    return unstable_.next_snapshot();
  }  // shared with its sender
  bool has_unstable() const { return !unstable_.empty(); }
  bool has_unstable_snapshot() const { return unstable_.snapshot() != nullptr; }
  void accept_unstable() { unstable_.accept_in_progress(); }
  void stable_to(EntryId id) { unstable_.stable_to(id); }
  void stable_snapshot_to(Index index) { unstable_.stable_snapshot_to(index); }

  StorageResult<std::shared_ptr<const Snapshot>> snapshot() const;
  void restore(std::shared_ptr<const Snapshot> snapshot);

  // Entries from `from` on, within max_size bytes but at least one; none if the log ends before.
  // Errors: compacted.
  StorageResult<Entries> entries(Index from, uint64_t max_size) const;
  StorageResult<Entries> slice(Index low, Index high, uint64_t max_size) const;
  // Walks [low, high) page by page until `visit` returns false. False if entries are missing.
  bool scan(Index low, Index high, uint64_t page_size,
            absl::FunctionRef<bool(const Entries&)> visit) const;

 private:
  friend std::string describe(const Log& log);

  Index max_appliable(AllowUnstable allow) const;
  Index find_conflict(const Entries& entries) const;

  Storage& storage_;
  Logger& logger_;
  const uint64_t max_applying_size_;
  Unstable unstable_;
  Index committed_;
  Index applying_;
  Index applied_;
  uint64_t applying_size_ = 0;
  // Nothing more is handed out until some of it is applied.
  bool applying_paused_ = false;
};

std::string describe(const Log& log);

}  // namespace holdfast::raft
