// Which revisions a key has: the entry of the key index (etcd server/storage/mvcc/key_index.go).
// PURE.
//
// A key's life is a row of generations: it is created, changed, and ends with a tombstone; the next
// put begins a new generation. Most keys have one revision, so an entry is a single allocation that
// holds the key's bytes and its newest revision; older ones stand in an allocation of their own.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string_view>
#include <vector>

#include "absl/container/inlined_vector.h"
#include "backend/revision_key.h"

namespace holdfast::mvcc {

using backend::RevisionPair;

class KeyVersions {
 public:
  struct Deleter {
    void operator()(KeyVersions* entry) const { destroy(entry); }
  };
  using Pointer = std::unique_ptr<KeyVersions, Deleter>;

  // An entry without any revision yet; the next call must be put, restore or restore_tombstone.
  static Pointer create(std::string_view key);
  static void destroy(KeyVersions* entry);
  KeyVersions(const KeyVersions&) = delete;
  KeyVersions& operator=(const KeyVersions&) = delete;

  std::string_view key() const { return {key_, key_bytes_}; }
  // Asks for the memory of the entry, before it is needed.
  void prefetch() const {
    constexpr size_t kLineBytes = 64;
    __builtin_prefetch(this);
    __builtin_prefetch(reinterpret_cast<const char*>(this) + kLineBytes);
  }
  // False after a tombstone.
  bool alive() const { return !ended_; }
  RevisionPair newest() const { return {mod_main_, mod_sub_}; }

  struct State {
    RevisionPair modified;
    int64_t created = 0;
    int64_t version = 0;
  };
  // The key as it was at main revision `at`; false: it didn't exist.
  bool get(int64_t at, State& state) const;

  // `revision` is above every one before.
  void put(RevisionPair revision);
  // False (and nothing happens) if the key isn't alive.
  bool tombstone(RevisionPair revision);
  // The first record found for a key while reading the backend: earlier ones were compacted away.
  void restore(RevisionPair modified, int64_t created, int64_t version);
  void restore_tombstone(RevisionPair modified);

  enum class Left : uint8_t { something, nothing };
  // Forgets what isn't needed to read at `at` or later. `kept`: the revision <= `at` that stays (if
  // any) and whose record must stay too; a tombstone exactly at `at` stays (KV-30). Nothing: remove
  // the entry. When one transaction deleted and put the key again, the put stays; etcd then keeps
  // the tombstone, loses the value and ends at the next read of it.
  Left compact(int64_t at, std::optional<RevisionPair>& kept);
  // What compact(at) would keep, but not a tombstone at `at` (BKT-13, VD-07: hashes leave it out).
  std::optional<RevisionPair> keep(int64_t at) const;

  size_t revision_count() const { return (older_ ? older_->revisions.size() : 0) + 1; }

 private:
  struct Past {
    int64_t main;
    uint32_t sub;
    bool tombstone;
  };
  // A generation that a tombstone in Older::revisions ended.
  struct Ended {
    size_t tombstone;  // its position there
    int64_t created;
    int64_t version;  // of the last put
  };
  struct Older {
    absl::InlinedVector<Past, 1> revisions;  // ascending
    std::vector<Ended> ended;                // ascending
  };
  explicit KeyVersions(size_t key_bytes) : key_bytes_(static_cast<uint32_t>(key_bytes)) {}
  ~KeyVersions() = default;
  Past at_position(size_t i) const {
    if (older_ && i < older_->revisions.size()) return older_->revisions[i];
    return {mod_main_, mod_sub_, ended_ != 0};
  }
  void push_newest_to_older();
  std::optional<size_t> newest_at(int64_t at) const;
  void drop_before(size_t position);

  // The newest revision. After a tombstone, created and version are those of the generation that it
  // ended.
  int64_t mod_main_ = 0;
  int64_t created_ = 0;
  int64_t version_ = 0;
  std::unique_ptr<Older> older_;
  uint32_t mod_sub_ = 0;
  uint32_t key_bytes_ : 31;
  uint32_t ended_ : 1 = 0;
  char key_[1];  // and on
};

}  // namespace holdfast::mvcc
