#include "wal/newest_tail.h"

#include <algorithm>

namespace holdfast::wal {

NewestTail::NewestTail(Index first) : counts_(std::max(first, Index(1)) - 1) {
  counting_.emplace(SnapshotRecord{counts_, Term(0), {}});
}

void NewestTail::append(raft::Entry entry, const Decoder& decoder) {
  std::erase_if(noted_, [&](Tail& tail) { return !tail.append(entry, decoder).ok(); });
  if (counting_ && !counting_->append(std::move(entry), decoder).ok()) counting_.reset();
}

void NewestTail::on_malformed_entry() {
  counting_.reset();
  noted_.clear();
}

void NewestTail::on_snapshot(const SnapshotRecord& snapshot, Index committed) {
  if (counting_ && counting_->is_of(snapshot)) return counting_->on_snapshot();
  for (Tail& tail : noted_)
    if (tail.is_of(snapshot)) return tail.on_snapshot();
  if (snapshot.index <= counts_) return;
  if (std::optional<Tail> tail = behind_nearest(snapshot)) noted_.push_back(*std::move(tail));
  if (noted_.size() > kNotedMax) noted_.erase(noted_.begin());
  on_committed(committed);
}

std::optional<Tail> NewestTail::behind_nearest(const SnapshotRecord& snapshot) const {
  const Tail* nearest = counting_ ? &*counting_ : nullptr;
  for (const Tail& tail : noted_)
    if (tail.from().index < snapshot.index && (!nearest || tail.from().index > nearest->from().index)) nearest = &tail;
  return nearest ? std::optional(nearest->behind(snapshot)) : std::nullopt;
}

void NewestTail::on_committed(Index committed) {
  for (Tail& tail : noted_) {
    if (tail.from().index > committed || tail.from().index <= counts_) continue;
    counts_ = tail.from().index;
    counting_ = std::move(tail);
  }
  std::erase_if(noted_, [this](const Tail& tail) { return tail.from().index <= counts_; });
}

std::optional<Tail> NewestTail::take(const SnapshotRecord& newest) {
  if (!counting_ || !counting_->is_of(newest)) return std::nullopt;
  return std::exchange(counting_, std::nullopt);
}

}  // namespace holdfast::wal
