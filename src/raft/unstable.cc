#include "raft/unstable.h"

#include <algorithm>

namespace holdfast::raft {

namespace {
// A block that is grown starts with room for a usual batch.
constexpr size_t kLeastBlock = 16;
}  // namespace

std::optional<Term> Unstable::term(Index index) const {
  if (index < offset_) {
    if (snapshot_ && snapshot_->metadata.index == index) return snapshot_->metadata.term;
    return std::nullopt;
  }
  const uint64_t position = index - offset_;
  if (position >= size()) return std::nullopt;
  return block_[front_ + position].term;
}

Entries Unstable::next_entries() const {
  return block_.view(front_ + (offset_in_progress_ - offset_), block_.size());
}

void Unstable::accept_in_progress() {
  if (!empty()) offset_in_progress_ = offset_ + size();
  if (snapshot_) snapshot_in_progress_ = true;
}

void Unstable::stable_to(EntryId id) {
  const std::optional<Term> ours = term(id.index);
  if (!ours) {
    logger_.info("entry at index {} missing from unstable log; ignoring", id.index.value);
    return;
  }
  if (id.index < offset_) {
    logger_.info("entry at index {} matched unstable snapshot; ignoring", id.index.value);
    return;
  }
  if (*ours != id.term) {
    // The entries were replaced while they were being written.
    logger_.info(
        "entry at (index,term)=({},{}) mismatched with entry at ({},{}) in unstable log; ignoring",
        id.index.value, id.term.value, id.index.value, ours->value);
    return;
  }
  front_ += id.index + 1 - offset_;
  offset_ = id.index + 1;
  offset_in_progress_ = std::max(offset_in_progress_, offset_);
  if (empty()) {
    clear();
  } else if (size() * 2 < block_.capacity() && front_ > size()) {
    // Most of the block is stable entries: let go of their payloads.
    reserve(0);
  }
}

void Unstable::stable_snapshot_to(Index index) {
  if (!snapshot_ || snapshot_->metadata.index != index) return;
  snapshot_ = nullptr;
  snapshot_in_progress_ = false;
}

void Unstable::restore(std::shared_ptr<const Snapshot> snapshot) {
  offset_ = snapshot->metadata.index + 1;
  offset_in_progress_ = offset_;
  clear();
  snapshot_ = std::move(snapshot);
  snapshot_in_progress_ = false;
}

void Unstable::truncate_and_append(const Entries& entries) {
  const Index first = entries.front().index;
  if (first == offset_ + size()) {
    reserve(entries.size());
  } else if (first <= offset_) {
    logger_.info("replace the unstable entries from index {}", first.value);
    clear();
    offset_ = first;
    offset_in_progress_ = offset_;
    reserve(entries.size());
  } else {
    logger_.info("truncate the unstable entries before index {}", first.value);
    // Views of the entries that go may be in use: keep their block as it is, and go on in another
    // one.
    const Entries kept = slice(offset_, first);
    clear();
    reserve(kept.size() + entries.size());
    for (const Entry& entry : kept) block_.append(entry);
    offset_in_progress_ = std::min(offset_in_progress_, first);
  }
  for (const Entry& entry : entries) block_.append(entry);
}

void Unstable::append_proposals(const Entries& entries, Term term, Index first) {
  CHECK(empty() || first == offset_ + size());
  if (empty() && first != offset_) {
    // The log ends in Storage before our offset: cannot be, as offset_ is where the log ends when
    // nothing is unstable.
    logger_.panic("append at {} behind a log that ends before {}", first.value, offset_.value);
  }
  reserve(entries.size());
  Index index = first;
  for (const Entry& entry : entries) {
    block_.append(Entry{.term = term,
                        .index = index,
                        .type = entry.type,
                        .type_stands = entry.type_stands,
                        .data = entry.data});
    ++index;
  }
}

Entries Unstable::slice(Index low, Index high) const {
  if (low > high) logger_.panic("invalid unstable.slice {} > {}", low.value, high.value);
  const Index upper = offset_ + size();
  if (low < offset_ || high > upper) {
    logger_.panic("unstable.slice[{},{}) out of bound [{},{}]", low.value, high.value,
                  offset_.value, upper.value);
  }
  return block_.view(front_ + (low - offset_), front_ + (high - offset_));
}

// Makes room for `more` entries behind the present ones. Moves them to a block of their own if
// there is not enough, so that the cost of moving is shared by the entries that come.
void Unstable::reserve(size_t more) {
  if (more > 0 && block_.size() + more <= block_.capacity()) return;
  const size_t live = size();
  EntryBlock grown(std::max({kLeastBlock, live + more, live * 2}));
  for (size_t i = 0; i < live; ++i) grown.append(block_[front_ + i]);
  block_ = std::move(grown);
  front_ = 0;
}

void Unstable::clear() {
  block_ = EntryBlock();
  front_ = 0;
}

}  // namespace holdfast::raft
