// What the key-value store promises, as simply as it can be said: the oracle for client histories (parity section 1; etcd
// tests/robustness/model). Every change takes the next revision, all versions are remembered, and a change can be undone,
// which is what a search over orders needs.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace holdfast::sim {

struct KvPair {
  std::string key;
  std::string value;
  int64_t create_revision = 0;
  int64_t mod_revision = 0;
  int64_t version = 0;

  bool operator==(const KvPair&) const = default;
};

enum class KvKind : uint8_t { put, range, delete_range, txn, compact };

struct KvCompare {
  enum class Target : uint8_t { version, create, mod, value };
  enum class Result : uint8_t { equal, greater, less, not_equal };
  std::string key;
  Target target = Target::mod;
  Result result = Result::equal;
  int64_t number = 0;
  std::string value;

  bool operator==(const KvCompare&) const = default;
};

// `end` empty: the one key. "\0" alone: everything from key on.
struct KvOp {
  KvKind kind = KvKind::range;
  std::string key;
  std::string end;
  std::string value;           // put
  bool prev_kv = false;        // put, delete_range
  bool serializable = false;   // range: any recent state will do
  int64_t limit = 0;           // range
  int64_t revision = 0;        // range: 0 = now; compact: up to here
  std::vector<KvCompare> compares;  // txn
  std::vector<KvOp> then_ops;
  std::vector<KvOp> else_ops;

  bool operator==(const KvOp&) const = default;
  // Could change the store.
  bool writes() const;
};

struct KvResult {
  int64_t revision = 0;        // of the store, after the operation
  bool succeeded = false;      // txn
  int64_t count = 0;           // range: keys in all; delete_range: deleted
  bool more = false;           // range
  std::vector<KvPair> pairs;   // range; put and delete_range with prev_kv
  std::vector<KvResult> children;  // txn; without revisions

  bool operator==(const KvResult&) const = default;
  // A new revision was made.
  bool changed(const KvOp& op) const;
};

class KvModel {
 public:
  int64_t revision() const { return revision_; }

  // Not compact. A range must ask for a revision that exists, 0 < revision <= revision().
  KvResult apply(const KvOp& op);
  // The same, and what it answers, but nothing changes.
  KvResult read(const KvOp& op, int64_t revision) const;
  // Undoes everything after `revision`.
  void rollback(int64_t revision);

  std::vector<KvPair> pairs() const;  // everything, now
  std::optional<KvPair> get(std::string_view key) const;  // now
  // Of what is there now: two states that answer alike from here on, reads of the past aside, hash alike.
  uint64_t hash() const { return hash_at(revision_); }
  // Of what was there at that revision, between the first one that can be undone to and now.
  uint64_t hash_at(int64_t revision) const;
  // The keys that the last change put or deleted, as often as it did.
  const std::vector<std::string>& last_changed() const { return log_.back().keys; }

  // A new state with what `from` holds at `revision`, for harnesses that keep their state this way.
  std::string serialize() const;
  static KvModel deserialize(std::string_view bytes);

 private:
  struct Version {
    int64_t mod = 0;
    int64_t create = 0;
    int64_t version = 0;  // 0: deleted
    std::string value;
    uint64_t hash = 0;  // with its key; deleted: 0
  };
  using Versions = std::vector<Version>;  // ascending

  static uint64_t hash_of(const std::string& key, const Version& version);
  static const Version* live_at(const Versions& versions, int64_t revision);
  KvPair pair_of(const std::string& key, const Version& version) const;
  std::map<std::string, Versions>::const_iterator range_end(const KvOp& op) const;
  bool holds(const KvCompare& compare) const;
  KvResult apply_at(const KvOp& op, int64_t revision);
  void put(const KvOp& op, int64_t revision, KvResult& result);
  void delete_range(const KvOp& op, int64_t revision, KvResult& result);

  int64_t revision_ = 1;  // a store begins at 1
  std::map<std::string, Versions> keys_;
  uint64_t live_hash_ = 0;  // of all that is alive, in no order
  // The keys that each revision changed, for rollback; log_[i] belongs to first_ + i.
  struct Change {
    std::vector<std::string> keys;
    uint64_t hash_before = 0;  // live_hash_
  };
  std::vector<Change> log_;
  int64_t first_ = 2;
  std::vector<std::string> changed_;
};

std::string describe(const KvOp& op);
std::string describe(const KvResult& result);

}  // namespace holdfast::sim
