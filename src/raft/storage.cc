#include "raft/storage.h"

#include <algorithm>
#include <vector>

#include "raft/codec.h"

namespace holdfast::raft {

namespace {

// A block is dropped when all its entries are: what outlives compaction is bounded by both.
constexpr size_t kMostEntriesInBlock = 1024;
constexpr uint64_t kMostBytesInBlock = 1 << 20;
constexpr size_t kLeastEntriesInBlock = 64;

}  // namespace

std::string_view text(StorageError error) {
  switch (error) {
    case StorageError::compacted:
      return "requested index is unavailable due to compaction";
    case StorageError::unavailable:
      return "requested entry at index is unavailable";
    case StorageError::snapshot_out_of_date:
      return "requested index is older than the existing snapshot";
    case StorageError::snapshot_temporarily_unavailable:
      return "snapshot is temporarily unavailable";
  }
  return "unknown storage error";
}

MemoryStorage::MemoryStorage() : snapshot_(std::make_shared<Snapshot>()) {}

Storage::InitialState MemoryStorage::initial_state() const {
  return {hard_state_, snapshot_->metadata.conf_state};
}

Index MemoryStorage::last_index() const {
  return blocks_.empty() ? compacted_index_ : blocks_.back().first + blocks_.back().used - 1;
}

// The block that holds `index`, which must be held.
size_t MemoryStorage::block_of(Index index) const {
  if (blocks_.back().first <= index) return blocks_.size() - 1;
  const auto behind = std::upper_bound(blocks_.begin(), blocks_.end(), index,
                                       [](Index i, const Block& block) { return i < block.first; });
  return static_cast<size_t>(behind - blocks_.begin()) - 1;
}

Term MemoryStorage::term_at(Index index) const {
  if (index == compacted_index_) return compacted_term_;
  const Block& block = blocks_[block_of(index)];
  return block.entries[index - block.first].term;
}

StorageResult<Term> MemoryStorage::term(Index index) const {
  if (index < compacted_index_) return StorageError::compacted;
  if (index > last_index()) return StorageError::unavailable;
  return term_at(index);
}

StorageResult<Entries> MemoryStorage::entries(Index low, Index high, uint64_t max_size) const {
  if (low <= compacted_index_) return StorageError::compacted;
  CHECK(high <= last_index() + 1, "entries' hi({}) is out of bound lastindex({})", high.value,
        last_index().value);
  if (blocks_.empty()) return StorageError::unavailable;
  if (low >= high) return Entries();

  size_t at = block_of(low);
  const auto part = [&](Index from) {
    const Block& block = blocks_[at];
    const size_t begin = from - block.first;
    const size_t end = std::min<uint64_t>(block.used, high - block.first);
    return block.entries.view(begin, end);
  };
  const Entries first = part(low);
  Entries limited = limit_size(first, max_size);
  if (limited.size() < first.size() || low + first.size() == high) return limited;

  // The range goes on in the next block: put the parts together.
  uint64_t size = max_size == kNoLimit ? 0 : encoded_size(first);
  std::vector<Entry> joined(first.begin(), first.end());
  for (Index next = low + first.size(); next < high;) {
    ++at;
    for (const Entry& entry : part(next)) {
      if (max_size != kNoLimit) {
        size += encoded_size(entry);
        if (size > max_size) return Entries(std::move(joined));
      }
      joined.push_back(entry);
      ++next;
    }
  }
  return Entries(std::move(joined));
}

bool MemoryStorage::apply_snapshot(Snapshot snapshot) {
  // Index 0 on both sides: a caller may set the ConfState alone before the first start.
  const Index held = snapshot_->metadata.index;
  if (held != Index(0) && held >= snapshot.metadata.index) return false;
  compacted_index_ = snapshot.metadata.index;
  compacted_term_ = snapshot.metadata.term;
  blocks_.clear();
  snapshot_ = std::make_shared<const Snapshot>(std::move(snapshot));
  return true;
}

void MemoryStorage::append(const Entries& entries) {
  if (entries.empty() || entries.back().index <= compacted_index_) return;
  const size_t skip =
      entries.front().index > compacted_index_ ? 0 : compacted_index_ + 1 - entries.front().index;
  const Index first = entries[skip].index;
  CHECK(first <= last_index() + 1, "missing log entry [last: {}, append at: {}]",
        last_index().value, first.value);
  if (first <= last_index()) truncate_from(first);
  for (size_t i = skip; i < entries.size(); ++i) push(entries[i]);
}

void MemoryStorage::truncate_from(Index index) {
  while (!blocks_.empty() && blocks_.back().first >= index) blocks_.pop_back();
  if (!blocks_.empty())
    blocks_.back().used = std::min<uint64_t>(blocks_.back().used, index - blocks_.back().first);
}

void MemoryStorage::push(const Entry& entry) {
  // A truncated block is not written to: views of what stood there may be in use.
  const bool usable = !blocks_.empty() && !blocks_.back().entries.full() &&
                      blocks_.back().entries.size() == blocks_.back().used &&
                      blocks_.back().bytes < kMostBytesInBlock;
  if (!usable) {
    const size_t before = blocks_.empty() ? 0 : blocks_.back().entries.capacity();
    const size_t capacity = std::clamp(before * 2, kLeastEntriesInBlock, kMostEntriesInBlock);
    blocks_.push_back({EntryBlock(capacity), entry.index, 0, 0});
  }
  Block& block = blocks_.back();
  block.bytes += entry.data.size();
  block.entries.append(entry);
  ++block.used;
}

StorageResult<std::shared_ptr<const Snapshot>> MemoryStorage::create_snapshot(
    Index index, const ConfState* conf_state, SharedBytes data) {
  if (index <= snapshot_->metadata.index) return StorageError::snapshot_out_of_date;
  CHECK(index <= last_index() && index >= compacted_index_,
        "snapshot {} is out of bound lastindex({})", index.value, last_index().value);
  Snapshot made;
  made.data = std::move(data);
  made.metadata.index = index;
  made.metadata.term = term_at(index);
  made.metadata.conf_state = conf_state ? *conf_state : snapshot_->metadata.conf_state;
  snapshot_ = std::make_shared<const Snapshot>(std::move(made));
  return snapshot_;
}

bool MemoryStorage::compact(Index index) {
  if (index <= compacted_index_) return false;
  CHECK(index <= last_index(), "compact {} is out of bound lastindex({})", index.value,
        last_index().value);
  compacted_term_ = term_at(index);
  compacted_index_ = index;
  while (!blocks_.empty() && blocks_.front().first + blocks_.front().used <= index + 1)
    blocks_.pop_front();
  return true;
}

}  // namespace holdfast::raft
