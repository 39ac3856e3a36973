#include "raft/log.h"

#include <algorithm>

#include "base/mutant.h"
#include "fmt/format.h"
#include "raft/codec.h"

namespace holdfast::raft {

Log::Log(Storage& storage, Logger& logger, uint64_t max_applying_size)
    : storage_(storage),
      logger_(logger),
      max_applying_size_(max_applying_size),
      unstable_(storage.last_index() + 1, logger),
      committed_(storage.first_index() - 1),
      applying_(committed_),
      applied_(committed_) {}

std::string describe(const Log& log) {
  return fmt::format(
      "committed={}, applied={}, applying={}, unstable.offset={}, unstable.offsetInProgress={}, "
      "len(unstable.Entries)={}",
      log.committed_.value, log.applied_.value, log.applying_.value, log.unstable_.offset().value,
      log.unstable_.offset_in_progress().value, log.unstable_.size());
}

Index Log::first_index() const {
  if (const auto index = unstable_.first_index()) return *index;
  return storage_.first_index();
}

Index Log::last_index() const {
  if (const auto index = unstable_.last_index()) return *index;
  return storage_.last_index();
}

EntryId Log::last_id() const {
  const Index last = last_index();
  const StorageResult<Term> last_term = term(last);
  if (!last_term.ok()) {
    logger_.panic("unexpected error when getting the last term at {}: {}", last.value,
                  text(last_term.error()));
  }
  return {*last_term, last};
}

StorageResult<Term> Log::term(Index index) const {
  if (const auto found = unstable_.term(index)) return *found;
  if (unstable_.snapshot() == nullptr) {
    // Storage knows its bounds itself. What it holds behind the unstable log's end was replaced.
    if (!unstable_.empty() && index >= unstable_.offset()) return StorageError::unavailable;
    return storage_.term(index);
  }
  // The entry just before the first is compacted away, but its term is kept for matching.
  if (index + 1 < first_index()) return StorageError::compacted;
  if (index > last_index()) return StorageError::unavailable;
  return storage_.term(index);
}

bool Log::matches(EntryId id) const {
  const StorageResult<Term> ours = term(id.index);
  return ours.ok() && *ours == id.term;
}

bool Log::up_to_date(EntryId theirs) const {
  const EntryId ours = last_id();
  if (mutant("raft.stale_log_may_lead")) return true;
  return theirs.term > ours.term || (theirs.term == ours.term && theirs.index >= ours.index);
}

std::optional<Index> Log::maybe_append(EntryId previous, const Entries& entries, Index committed) {
  if (!matches(previous)) {
    if (mutant("raft.append_commits_unmatched")) commit_to(std::min(committed, last_index()));
    return std::nullopt;
  }
  const Index last_new = previous.index + entries.size();
  const Index conflict = find_conflict(entries);
  if (conflict != Index(0)) {
    if (conflict <= committed_) {
      logger_.panic("entry {} conflict with committed entry [committed({})]", conflict.value,
                    committed_.value);
    }
    append(entries.slice(conflict - (previous.index + 1), entries.size()));
  }
  commit_to(std::min(committed, last_new));
  return last_new;
}

// The index of the first entry that the log does not have, 0 if it has them all.
Index Log::find_conflict(const Entries& entries) const {
  for (const Entry& entry : entries) {
    if (matches({entry.term, entry.index})) continue;
    if (entry.index <= last_index()) {
      logger_.info("found conflict at index {} [existing term: {}, conflicting term: {}]",
                   entry.index.value, term_or_zero(entry.index).value, entry.term.value);
    }
    return entry.index;
  }
  return Index(0);
}

Index Log::append(const Entries& entries) {
  if (entries.empty()) return last_index();
  if (const Index after = entries.front().index - 1; after < committed_)
    logger_.panic("after({}) is out of range [committed({})]", after.value, committed_.value);
  unstable_.truncate_and_append(entries);
  return last_index();
}

Index Log::append_proposals(const Entries& entries, Term term) {
  const Index last = last_index();
  if (last < committed_)
    logger_.panic("after({}) is out of range [committed({})]", last.value, committed_.value);
  unstable_.append_proposals(entries, term, last + 1);
  return last + entries.size();
}

EntryId Log::find_conflict_by_term(Index index, Term term_limit) const {
  for (; index > Index(0); --index) {
    const StorageResult<Term> ours = term(index);
    // Not known is a possible match.
    if (!ours.ok()) return {Term(0), index};
    if (*ours <= term_limit) return {*ours, index};
  }
  return {};
}

void Log::commit_to(Index index) {
  if (index <= committed_) return;
  if (last_index() < index) {
    logger_.panic(
        "tocommit({}) is out of range [lastIndex({})]. Was the raft log corrupted, truncated, or "
        "lost?",
        index.value, last_index().value);
  }
  committed_ = index;
}

bool Log::maybe_commit(EntryId id) {
  if (id.term == Term(0) || id.index <= committed_) return false;
  if (!matches(id) && !mutant("raft.commits_older_term")) return false;
  commit_to(id.index);
  return true;
}

Index Log::max_appliable(AllowUnstable allow) const {
  if (allow == AllowUnstable::yes) return committed_;
  return std::min(committed_, unstable_.offset() - 1);
}

// While a snapshot waits, no entries are handed out with it: what to apply first would be open.
bool Log::has_next_committed(AllowUnstable allow) const {
  return !applying_paused_ && !has_unstable_snapshot() && applying_ < max_appliable(allow);
}

Entries Log::next_committed(AllowUnstable allow) const {
  if (!has_next_committed(allow)) return {};
  if (applying_size_ >= max_applying_size_) {
    logger_.panic("applying entry size ({}-{})={} not positive", max_applying_size_, applying_size_,
                  max_applying_size_ - applying_size_);
  }
  StorageResult<Entries> found =
      slice(applying_ + 1, max_appliable(allow) + 1, max_applying_size_ - applying_size_);
  if (!found.ok()) {
    logger_.panic("unexpected error when getting unapplied entries ({})", text(found.error()));
  }
  return std::move(*found);
}

void Log::accept_applying(Index index, uint64_t size, AllowUnstable allow) {
  if (committed_ < index) {
    logger_.panic("applying({}) is out of range [prevApplying({}), committed({})]", index.value,
                  applying_.value, committed_.value);
  }
  applying_ = index;
  applying_size_ += size;
  // Entries left behind mean that the next one would not have fitted.
  applying_paused_ = applying_size_ >= max_applying_size_ || index < max_appliable(allow);
}

void Log::applied_to(Index index, uint64_t size) {
  if (committed_ < index || index < applied_) {
    logger_.panic("applied({}) is out of range [prevApplied({}), committed({})]", index.value,
                  applied_.value, committed_.value);
  }
  applied_ = index;
  applying_ = std::max(applying_, index);
  applying_size_ -= std::min(size, applying_size_);
  applying_paused_ = applying_size_ >= max_applying_size_;
}

StorageResult<std::shared_ptr<const Snapshot>> Log::snapshot() const {
  if (unstable_.snapshot()) return unstable_.snapshot();
  return storage_.snapshot();
}

void Log::restore(std::shared_ptr<const Snapshot> snapshot) {
  const SnapshotMetadata& metadata = snapshot->metadata;
  logger_.info("log [{}] starts to restore snapshot [index: {}, term: {}]", describe(*this),
               metadata.index.value, metadata.term.value);
  committed_ = metadata.index;
  unstable_.restore(std::move(snapshot));
}

StorageResult<Entries> Log::entries(Index from, uint64_t max_size) const {
  const Index last = last_index();
  if (from > last) return Entries();
  return slice(from, last + 1, max_size);
}

StorageResult<Entries> Log::slice(Index low, Index high, uint64_t max_size) const {
  if (low > high) logger_.panic("invalid slice {} > {}", low.value, high.value);
  // In the unstable log there is no need to ask Storage for its bounds.
  const Index offset = unstable_.offset();
  if (low < offset || high > offset + unstable_.size()) {
    if (low < first_index()) return StorageError::compacted;
    if (high > last_index() + 1) {
      logger_.panic("slice[{},{}) out of bound [{},{}]", low.value, high.value, first_index().value,
                    last_index().value);
    }
  }
  if (low == high) return Entries();
  if (low >= offset) return limit_size(unstable_.slice(low, high), max_size);

  const Index cut = std::min(high, offset);
  StorageResult<Entries> stable = storage_.entries(low, cut, max_size);
  if (stable.is(StorageError::compacted)) return stable;
  if (!stable.ok())
    logger_.panic("entries[{}:{}) is unavailable from storage", low.value, cut.value);
  // Shorter than asked for: the limit is reached.
  if (high <= offset || stable->size() < cut - low) return stable;
  const uint64_t size = encoded_size(*stable);
  if (size >= max_size) return stable;
  const Entries rest = limit_size(unstable_.slice(offset, high), max_size - size);
  // The first of the rest may be there only because limit_size() always gives one.
  if (rest.size() == 1 && size + encoded_size(rest) > max_size) return stable;
  std::vector<Entry> joined;
  joined.reserve(stable->size() + rest.size());
  joined.insert(joined.end(), stable->begin(), stable->end());
  joined.insert(joined.end(), rest.begin(), rest.end());
  return Entries(std::move(joined));
}

bool Log::scan(Index low, Index high, uint64_t page_size,
               absl::FunctionRef<bool(const Entries&)> visit) const {
  while (low < high) {
    const StorageResult<Entries> page = slice(low, high, page_size);
    if (!page.ok() || page->empty()) return false;
    if (!visit(*page)) return true;
    low = low + page->size();
  }
  return true;
}

}  // namespace holdfast::raft
