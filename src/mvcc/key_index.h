// The key index with its lock: which keys there are at which revision (etcd
// server/storage/mvcc/index.go).
//
// Any thread reads, the apply owner writes, compaction runs beside. Every method holds the lock for
// at most kIndexStepKeys keys; walks over more give it back in between, and go on behind the last
// key. That is still a snapshot for whoever reads at a fixed revision: later changes have higher
// revisions, and the store lets compaction touch the index only when no reader of older revisions
// is left.
#pragma once

#include <pthread.h>

#include <atomic>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/functional/function_ref.h"
#include "mvcc/key_tree.h"
#include "mvcc/key_versions.h"

namespace holdfast::mvcc {

// Readers and writers that take turns: a waiting writer goes before new readers, which
// std::shared_mutex doesn't promise.
class FairSharedMutex {
 public:
  FairSharedMutex();
  ~FairSharedMutex() { pthread_rwlock_destroy(&lock_); }
  FairSharedMutex(const FairSharedMutex&) = delete;
  FairSharedMutex& operator=(const FairSharedMutex&) = delete;
  void lock() { pthread_rwlock_wrlock(&lock_); }
  void unlock() { pthread_rwlock_unlock(&lock_); }
  void lock_shared() { pthread_rwlock_rdlock(&lock_); }
  void unlock_shared() { pthread_rwlock_unlock(&lock_); }

 private:
  pthread_rwlock_t lock_;
};

class KeyIndex {
 public:
  bool get(std::string_view key, int64_t at, KeyVersions::State& state) const;
  // See KeyTree::prefetch.
  static constexpr size_t kPrefetchMax = KeyTree::kPrefetchMax;
  void prefetch(const std::string_view* keys, size_t count) const;

  // What was before a put: for the record to be stored.
  struct Before {
    bool existed = false;  // alive
    int64_t created = 0;
    int64_t version = 0;
  };
  Before put(std::string_view key, RevisionPair revision);
  // False if the key isn't alive.
  bool tombstone(std::string_view key, RevisionPair revision);

  enum class Step : uint8_t { more, end };
  // Up to kIndexStepKeys keys that stand at or behind `from`, of [.., end) (see in_range), alive at
  // `at`. `found` is called under the lock: it must be short. `from` is moved to where to go on.
  using Found = absl::FunctionRef<bool(const KeyVersions&, const KeyVersions::State&)>;
  Step visit(std::string& from, std::string_view end, int64_t at, Found found) const;

  // One step of a compaction: forgets, and appends to `kept` what stays of the revisions <= at.
  Step compact(std::string& from, int64_t at, std::vector<RevisionPair>& kept);
  // One step over what a compaction at `at` would keep; see KeyVersions::keep.
  Step keep(std::string& from, int64_t at, std::vector<RevisionPair>& kept) const;

  // Records found while the backend is read, in the order of revisions. `ignored` is told of a
  // tombstone of a key that isn't alive; it changes nothing.
  struct Record {
    RevisionPair revision;
    bool tombstone = false;
    int64_t created = 0;  // not of a tombstone, nor is `version`
    int64_t version = 0;
  };
  static constexpr size_t kRestoreMax = kPrefetchMax;
  void restore(const std::string_view* keys, const Record* records, size_t count,
               absl::FunctionRef<void(const Record&)> ignored);

  size_t size() const;
  int64_t alive() const {
    return alive_.load(std::memory_order_relaxed);
  }                    // keys without a tombstone
  void check() const;  // for tests
  // Calls `visit` with every entry, under one hold of the lock; for tests.
  void visit_entries(absl::FunctionRef<bool(KeyVersions&)> visit) const;

 private:
  bool restore_one(std::string_view key, const Record& record);

  mutable FairSharedMutex mutex_;
  KeyTree tree_;  // guarded by mutex_
  std::atomic<int64_t> alive_ = 0;
};

// Whether `key` is before `end`, where end "\0" means no end (KV-02).
inline bool before_end(std::string_view key, std::string_view end) {
  return (end.size() == 1 && end[0] == '\0') || key < end;
}

}  // namespace holdfast::mvcc
