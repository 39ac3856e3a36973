#include "backend/batch.h"

#include "base/check.h"

namespace holdfast::backend {

char* Batch::allocate(size_t bytes) {
  if (bytes > free_bytes_ || free_ == nullptr) {
    // A value that takes much of a block gets its own, so that the rest of the current one isn't
    // lost.
    if (bytes > kBlockBytes / 4) {
      blocks_.push_back(std::unique_ptr<char[]>(new char[bytes]));
      return blocks_.back().get();
    }
    blocks_.push_back(std::unique_ptr<char[]>(new char[kBlockBytes]));
    free_ = blocks_.back().get();
    free_bytes_ = kBlockBytes;
  }
  char* at = free_;
  free_ += bytes;
  free_bytes_ -= bytes;
  return at;
}

char* Batch::append(const RevisionKey& key, size_t value_bytes) {
  const size_t i = count_.load(std::memory_order_relaxed);
  CHECK(i == 0 || record(i - 1).revision < key.revision, "revision {}.{} is not above the last",
        key.revision.main, key.revision.sub);
  CHECK(value_bytes <= UINT32_MAX);
  const size_t segment = std::bit_width(i / kFirstSegment + 1) - 1;
  auto& records = segments_[segment];
  if (!records) records.reset(new Record[kFirstSegment << segment]);
  char* value = allocate(value_bytes);
  records[i - kFirstSegment * ((size_t{1} << segment) - 1)] = {
      key.revision, value, static_cast<uint32_t>(value_bytes), key.tombstone};
  count_.store(i + 1, std::memory_order_release);
  ++operations_;
  return value;
}

void Batch::put(Bucket bucket, std::string_view key, std::optional<std::string_view> value) {
  std::lock_guard lock(mutex_);
  Changes& changes = changes_[static_cast<size_t>(bucket)];
  auto it = changes.lower_bound(key);
  if (it == changes.end() || it->first != key) it = changes.emplace_hint(it, key, std::nullopt);
  if (value) {
    it->second.emplace(*value);
  } else {
    it->second.reset();
  }
  ++operations_;
}

size_t Batch::lower_bound(RevisionPair revision) const {
  size_t low = 0;
  size_t high = record_count();
  while (low < high) {
    const size_t middle = low + (high - low) / 2;
    if (record(middle).revision < revision) {
      low = middle + 1;
    } else {
      high = middle;
    }
  }
  return low;
}

const Batch::Record* Batch::find(RevisionPair revision) const {
  const size_t count = record_count();
  // Most reads find a batch that is all newer or all older.
  if (count == 0 || revision < record(0).revision || record(count - 1).revision < revision)
    return nullptr;
  const size_t i = lower_bound(revision);
  if (i == record_count() || record(i).revision != revision) return nullptr;
  return &record(i);
}

bool Batch::find(Bucket bucket, std::string_view key, std::optional<std::string>& value) const {
  std::lock_guard lock(mutex_);
  const Changes& changes = changes_[static_cast<size_t>(bucket)];
  auto it = changes.find(key);
  if (it == changes.end()) return false;
  value = it->second;
  return true;
}

void Batch::overlay(Bucket bucket, std::string_view from, std::string_view to,
                    Changes& changes) const {
  std::lock_guard lock(mutex_);
  const Changes& own = changes_[static_cast<size_t>(bucket)];
  for (auto it = own.lower_bound(from); it != own.end() && (to.empty() || it->first < to); ++it)
    changes[it->first] = it->second;
}

void Batch::write_to(Engine::Writer& writer) const {
  const size_t count = record_count();
  for (size_t i = 0; i < count; ++i) {
    const Record& r = record(i);
    writer.put(Bucket::key, RevisionKeyBytes({r.revision, r.tombstone}), r.view());
  }
  std::lock_guard lock(mutex_);
  for (size_t b = 0; b < kBucketCount; ++b) {
    for (const auto& [key, value] : changes_[b]) {
      if (value) {
        writer.put(static_cast<Bucket>(b), key, *value);
      } else {
        writer.erase(static_cast<Bucket>(b), key);
      }
    }
  }
}

}  // namespace holdfast::backend
