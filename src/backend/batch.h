// Writes on their way to the disk. A batch is filled by the owner, sealed, written by the
// committer, and dropped when the last reader that found it is gone.
//
// Bucket::key grows by ascending revision, so its part is an append-only sequence that readers
// search without a lock while the owner appends; the other buckets are small ordered maps behind a
// mutex.
#pragma once

#include <array>
#include <atomic>
#include <bit>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "backend/bucket.h"
#include "backend/engine.h"
#include "backend/revision_key.h"

namespace holdfast::backend {

class Batch {
 public:
  struct Record {
    RevisionPair revision;
    const char* value;
    uint32_t value_bytes;
    bool tombstone;

    std::string_view view() const { return {value, value_bytes}; }
  };
  // nullopt: erased.
  using Changes = std::map<std::string, std::optional<std::string>, std::less<>>;

  // --- owner, until sealed ---
  char* append(const RevisionKey& key, size_t value_bytes);
  void put(Bucket bucket, std::string_view key, std::optional<std::string_view> value);
  size_t operations() const { return operations_; }

  // --- any thread ---
  // The value must have been filled in before the reader learnt of the revision (the store
  // publishes its current revision after the writes).
  size_t record_count() const { return count_.load(std::memory_order_acquire); }
  const Record& record(size_t i) const {
    const size_t segment = std::bit_width(i / kFirstSegment + 1) - 1;
    return segments_[segment][i - kFirstSegment * ((size_t{1} << segment) - 1)];
  }
  // Position of the first record not below `revision`.
  size_t lower_bound(RevisionPair revision) const;
  const Record* find(RevisionPair revision) const;
  // True if the batch says something about the key; `value` is nullopt if it says that the key is
  // erased.
  bool find(Bucket bucket, std::string_view key, std::optional<std::string>& value) const;
  // Lays the batch's changes in [from, to) over `changes`.
  void overlay(Bucket bucket, std::string_view from, std::string_view to, Changes& changes) const;

  // --- committer, after sealing ---
  void write_to(Engine::Writer& writer) const;

 private:
  // Segment n holds kFirstSegment << n records; they never move.
  static constexpr size_t kFirstSegment = 512;
  static constexpr size_t kSegments = 40;
  static constexpr size_t kBlockBytes = 64 << 10;

  char* allocate(size_t bytes);

  std::array<std::unique_ptr<Record[]>, kSegments> segments_;
  std::atomic<size_t> count_ = 0;
  std::vector<std::unique_ptr<char[]>> blocks_;
  char* free_ = nullptr;
  size_t free_bytes_ = 0;
  size_t operations_ = 0;

  mutable std::mutex mutex_;  // guards changes_
  std::array<Changes, kBucketCount> changes_;
};

}  // namespace holdfast::backend
