// The multi-version store: every put and delete is a record in Bucket::key under its revision, and
// an index in memory says which revisions a key has (parity sections 1.1-1.4, BKT-11..13; etcd
// server/storage/mvcc).
//
// One writer (the apply owner), readers on any thread. A read transaction is a snapshot: it sees
// the store as it was at its revision, whatever is written or compacted meanwhile. Readers and the
// writer hold each other up for short, bounded pieces of work only (kIndexStepKeys).
//
// Errors that clients see are those of base/errors.h: `compacted`, `future_rev`. A read given up by
// its RangeOptions::cancelled returns absl::StatusCode::kCancelled.
//
// To install a snapshot, open a new Store over the new Backend and drop the old one when its last
// reader is done (BKT-16): there is no restore in place.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "backend/backend.h"
#include "base/log.h"
#include "base/task.h"
#include "base/types.h"
#include "env/executor.h"
#include "env/metrics.h"
#include "mvcc/key_value.h"
#include "mvcc/lease_attacher.h"

namespace holdfast::mvcc {

class StoreCore;

enum class RangeKind : uint8_t {
  pairs,      // keys with values and all fields
  keys_only,  // from the index alone: no value, and lease is 0 (KV-07, TRP-06)
  count_only  // no pairs (KV-06)
};
enum class Count : uint8_t {
  total,        // all keys of the range, whatever the limit (KV-05)
  up_to_limit,  // may stop counting at the limit
};

// Which keys: `end` empty: the one key; a single zero byte: all keys >= key; otherwise [key, end),
// and nothing if end <= key (KV-02).
struct RangeOptions {
  Revision revision;  // <= 0: the transaction's (KV-08)
  int64_t limit = 0;  // <= 0: none
  RangeKind kind = RangeKind::pairs;
  Count count = Count::total;
  // Asked for each pair that is told, and for each kIndexStepKeys keys that are looked at; true gives the read up (KV-15).
  // May be null.
  const std::function<bool()>* cancelled = nullptr;
};

struct RangeSummary {
  int64_t count = 0;  // live keys of the range at that revision; up to the limit if so asked
  Revision revision;  // the store's current revision as this transaction sees it (KV-09)
};
struct RangeResult {
  std::vector<KeyValue> pairs;
  int64_t count = 0;
  Revision revision;
};

// Called for each pair in key order. The view is valid during the call only.
using PairVisitor = absl::FunctionRef<void(const KeyValueView&)>;

// What read and write transactions have in common.
class TxnRead {
 public:
  virtual ~TxnRead() = default;
  // Of a read: the revision that is current for it. Of a write: the revision before the
  // transaction.
  virtual Revision revision() const = 0;
  // The last compaction's revision (-1: never compacted). Reading exactly there is legal.
  virtual Revision compacted_revision() const = 0;
  virtual absl::StatusOr<RangeSummary> visit(std::string_view key, std::string_view end,
                                             const RangeOptions& options, PairVisitor visit) = 0;
  absl::StatusOr<RangeResult> range(std::string_view key, std::string_view end,
                                    const RangeOptions& options);
  // The pair as it is for this transaction; a write sees its own changes.
  std::optional<KeyValue> get(std::string_view key);
};

// Any thread, one at a time. It delays the physical part of compactions while it lives: keep it
// short.
class ReadTxn final : public TxnRead {
 public:
  ~ReadTxn() override;
  ReadTxn(const ReadTxn&) = delete;
  ReadTxn& operator=(const ReadTxn&) = delete;
  Revision revision() const override { return revision_; }
  Revision compacted_revision() const override { return compacted_; }
  absl::StatusOr<RangeSummary> visit(std::string_view key, std::string_view end,
                                     const RangeOptions& options, PairVisitor visit) override;

 private:
  friend class Store;
  friend class StoreCore;
  explicit ReadTxn(StoreCore& core);

  StoreCore& core_;
  unsigned ticket_;
  Revision revision_;
  Revision compacted_;
};

// One change of a write transaction, in order; sub revisions count from 0 (KV-26, TXN-11).
struct Change {
  // A delete: create_revision, version and lease are 0, value is empty, mod_revision is the
  // deletion's, as in etcd's DELETE events. `encoded` is the stored record; of a delete it lacks
  // mod_revision.
  KeyValueView pair;
  RevisionPair revision;
  bool deleted = false;
};

// Apply owner only, one at a time, within one log entry. Its changes become visible to readers all
// at once with end(). All of them get the revision revision() + 1.
class WriteTxn final : public TxnRead {
 public:
  ~WriteTxn() override;  // ends it, if end() wasn't called
  WriteTxn(const WriteTxn&) = delete;
  WriteTxn& operator=(const WriteTxn&) = delete;
  Revision revision() const override { return begin_revision_; }
  Revision compacted_revision() const override;
  // Sees the changes made so far. With revision <= 0 it reads at revision(), or at revision() + 1
  // once there are changes.
  absl::StatusOr<RangeSummary> visit(std::string_view key, std::string_view end,
                                     const RangeOptions& options, PairVisitor visit) override;

  // Always a new revision, also for an equal value (KV-20, TRP-14). The lease must exist (or be 0);
  // the key is attached to it and detached from its old one (KV-21). `key` isn't empty. Returns
  // revision() + 1.
  Revision put(std::string_view key, std::string_view value, LeaseId lease);
  // In key order; detaches leases (KV-26). Returns how many were deleted.
  int64_t delete_range(std::string_view key, std::string_view end);

  // What a watcher must be told. Bytes stay valid until the next entry boundary of the backend,
  // also after end().
  const std::vector<Change>& changes() const { return changes_; }
  // revision() + 1 if there are changes, else revision().
  Revision result_revision() const {
    return changes_.empty() ? begin_revision_ : begin_revision_ + 1;
  }
  // Publishes. No further calls except changes() and the revisions.
  void end();

 private:
  friend class Store;
  explicit WriteTxn(StoreCore& core);
  void erase(std::string_view key);

  StoreCore& core_;
  Revision begin_revision_;
  std::vector<Change> changes_;
  // MET-24: how often what was asked.
  uint32_t ranges_ = 0, puts_ = 0, deletes_ = 0;
  int64_t put_bytes_ = 0;
  bool ended_ = false;
};

struct HashResult {
  uint32_t hash = 0;
  Revision compact_revision;  // -1: never compacted
  Revision hash_revision;
  Revision current_revision;
  bool operator==(const HashResult&) const = default;
};
// A hash taken while a compaction deleted: of the revisions that it left, up to its own (MNT-07).
struct CompactionHash {
  uint32_t hash = 0;
  Revision compact_revision;  // of the compaction before it
  Revision revision;
  bool operator==(const CompactionHash&) const = default;
};

struct StoreOptions {
  int compaction_batch_limit =
      1000;  // --compaction-batch-limit: records looked at between two sleeps
  env::Duration compaction_sleep_interval =
      std::chrono::milliseconds(10);  // --compaction-sleep-interval
};

struct StoreEnvironment {
  env::Executor& background;  // compaction runs here; not the apply owner's
  env::Metrics& metrics;
  Logger& log;
};

class Store {
 public:
  // Reads the whole index out of the backend and reports lease attachments, in key order (BKT-11);
  // goes on with a compaction that was interrupted (TRP-56). Call it on the apply owner's executor.
  // The backend and the attacher outlive the store. DataLoss if a record can't be understood.
  static absl::StatusOr<std::unique_ptr<Store>> open(backend::Backend& backend,
                                                     LeaseAttacher& leases,
                                                     const StoreOptions& options,
                                                     const StoreEnvironment& environment);
  // With no transaction open, on the apply owner's executor. A compaction under way stops at its
  // next step.
  ~Store();
  Store(const Store&) = delete;
  Store& operator=(const Store&) = delete;

  // --- any thread ---

  ReadTxn read();
  Revision current_revision()
      const;  // of the last write transaction that ended; a new store is at 1
  Revision compacted_revision() const;  // -1: never compacted

  // HashKV (BKT-13, MNT-07). revision 0: current. Walks the whole bucket: not for the apply owner.
  absl::StatusOr<HashResult> hash_kv(Revision revision);
  // The last kCompactionHashesMax of them, by revision.
  std::vector<CompactionHash> compaction_hashes() const;

  // Records of the log of changes with from <= main revision <= to, in order, until `visit` returns
  // false: for watchers that start in the past. `compacted` if from is below what can be told
  // completely (from <= compacted revision is an error as in etcd: from < compacted_revision()). Of
  // a delete, pair.mod_revision is filled in.
  absl::Status visit_changes(Revision from, Revision to,
                             absl::FunctionRef<bool(const Change&)> visit);

  // --- apply owner ---

  WriteTxn write();
  // What the next writes will look up: with many keys a write mostly waits for memory, and these then wait at the same
  // time. Only a matter of speed. count <= kExpectedMax.
  static constexpr size_t kExpectedMax = 32;
  void expect(const std::string_view* keys, size_t count);

  // Everything below `revision` that isn't needed to read at `revision` may go (KV-27..31). Older
  // reads fail at once. The wish is made durable with this entry's batch; deletion then runs in the
  // background and survives a restart. `physically_done` (may be empty) runs on the background
  // executor when the deletion is finished and durable, also if this call returns `compacted` (it
  // then waits for the compaction before, KV-29). It is dropped on `future_rev`.
  absl::Status compact(Revision revision, Task physically_done);

 private:
  explicit Store(std::shared_ptr<StoreCore> core);
  std::shared_ptr<StoreCore> core_;  // shared with tasks on the background executor
};

// Keys of the index visited under one hold of its lock: some 100 us, far below the 1-2 ms that a
// writer may be held up.
inline constexpr int kIndexStepKeys = 512;
// etcd hashStorageMaxSize.
inline constexpr size_t kCompactionHashesMax = 10;

}  // namespace holdfast::mvcc
