// The store below mvcc, leases, auth and membership: ten ordered buckets whose writes are gathered
// in memory and committed behind the client's back. A client waits for the raft log only; what a
// crash takes from here is applied again from the log, from the consistent index on (parity PUT-20,
// BKT-09, TRP-54; etcd server/storage/backend).
//
// Who calls what:
//  - The *owner* (apply; one executor) writes: put, erase, append, entry_boundary, force_commit,
//  ... Writes gather in the
//    pending batch. The batch is sealed only at an entry boundary, so that what is committed is
//    whole entries together with their consistent index (the commit hook writes it). No call of the
//    owner's waits for the disk.
//  - The *committer* (another executor) writes sealed batches to the engine, in order, each one
//  durable transaction. A
//    failed commit ends the process.
//  - *Readers* (any thread) open a ReadView.
//
// Lifetime: destroy the Backend on its owner's executor, with no view open. Sealed batches are
// still committed (the committer shares what it needs); the pending batch is lost, as in a crash,
// unless close() came first.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "backend/bucket.h"
#include "backend/engine.h"
#include "backend/revision_key.h"
#include "base/log.h"
#include "base/task.h"
#include "env/clock.h"
#include "env/executor.h"
#include "env/metrics.h"
#include "env/process.h"

namespace holdfast::backend {

struct BackendOptions {
  env::Duration batch_interval = std::chrono::milliseconds(100);  // --backend-batch-interval
  size_t batch_limit = 10'000;  // --backend-batch-limit, operations
};

struct BackendEnvironment {
  env::Executor& owner;
  env::Executor& committer;
  env::Process& process;
  env::Metrics& metrics;
  Logger& log;
};

class BackendCore;
class Batch;
struct BatchSet;
struct ReaderSlot;

// What was put before the view was opened, at least (writes of the owner that come later may or may
// not appear). Opening costs tens of nanoseconds: the engine's snapshot is taken only when a read
// isn't answered by a batch in memory. Not thread-safe, but may move between threads. Bytes
// returned are valid until the view is destroyed. Keep views short: an open one holds committed
// batches in memory and pages in the file (a snapshot stream may hold one, they are bounded).
class ReadView {
 public:
  ReadView(ReadView&& other) noexcept;
  ReadView& operator=(ReadView&&) = delete;
  ~ReadView();

  // Bucket::key, live records only (not tombstones).
  std::optional<std::string_view> get(RevisionPair revision);
  // Records of Bucket::key, tombstones included, with from <= revision < to, ascending.
  void scan_revisions(RevisionPair from, RevisionPair to,
                      absl::FunctionRef<bool(const RevisionKey&, std::string_view value)> visit);

  // Any other bucket.
  std::optional<std::string> get(Bucket bucket, std::string_view key);
  // Ascending keys in [from, to); empty `to`: no upper bound.
  void scan(Bucket bucket, std::string_view from, std::string_view to, Visitor visit);

 private:
  friend class BackendCore;
  ReadView(BackendCore* core, ReaderSlot* slot, const BatchSet* batches);
  Engine::Reader& engine();

  BackendCore* core_;
  ReaderSlot* slot_;
  const BatchSet* batches_;
  bool begun_ = false;
};

// One committed state of all buckets and nothing that is still in memory: for snapshots and Hash.
// Any thread.
class CommittedView {
 public:
  CommittedView(CommittedView&& other) noexcept;
  CommittedView& operator=(CommittedView&&) = delete;
  ~CommittedView();
  Engine::Reader& reader();

 private:
  friend class BackendCore;
  CommittedView(BackendCore* core, ReaderSlot* slot);
  BackendCore* core_;
  ReaderSlot* slot_;
};

// Changes that don't come from an entry (physical compaction): committed as one transaction of
// their own.
struct SideBatch {
  struct Put {
    Bucket bucket;
    std::string key;
    std::string value;
  };
  std::vector<RevisionKey> erased;  // of Bucket::key
  std::vector<Put> puts;
};

class Backend : public std::enable_shared_from_this<Backend> {
 public:
  // One that may be let go of by any thread, and is destroyed on its owner's executor.
  static std::shared_ptr<Backend> make_shared(std::unique_ptr<Engine> engine,
                                              const BackendOptions& options,
                                              const BackendEnvironment& environment);
  // Null unless it came from make_shared().
  std::shared_ptr<Backend> shared_or_null() { return weak_from_this().lock(); }

  // `engine` is open and stays open until the last sealed batch is committed.
  Backend(std::unique_ptr<Engine> engine, const BackendOptions& options,
          const BackendEnvironment& environment);
  ~Backend();
  Backend(const Backend&) = delete;
  Backend& operator=(const Backend&) = delete;

  // --- owner ---

  // Called whenever a batch is sealed, to put consistent_index, term and confState into it. May
  // call put().
  void set_commit_hook(std::function<void(Backend&)> hook);

  // Any bucket but Bucket::key. Keys are not empty.
  void put(Bucket bucket, std::string_view key, std::string_view value);
  void erase(Bucket bucket, std::string_view key);

  // Adds a record to Bucket::key; `key` is greater than every one before. Returns room for
  // `value_bytes`, to be filled before the next call here. The bytes stay where they are at least
  // until the next entry boundary.
  char* append(const RevisionKey& key, size_t value_bytes);

  // The end of a log entry: everything put so far belongs to entries that are applied whole. Seals
  // the batch if it is full, old or asked for. (A task of our own on the owner's executor is a
  // boundary too.)
  void entry_boundary();
  // Seals at the next boundary; `done` runs on the committer after that batch is durable.
  void commit_at_boundary(Task done);
  // Seals now: call it at an entry boundary. `done` (may be empty) runs on the committer when
  // everything put so far is durable.
  void force_commit(Task done);
  // Operations in the pending batch.
  size_t pending_operations() const;

  // True when kSealedBatchesMax batches wait for the disk: take no more entries, and come back
  // through when_uncongested(). A caller that goes on is still correct, only its batch grows.
  bool congested() const;
  // Runs `resume` on the owner's executor once congested() is false. One waiter.
  void when_uncongested(Task resume);

  // Commits everything, closes the engine, then runs `done` on the committer. No writes and no
  // views after this.
  void close(Task done);

  // --- any thread ---

  ReadView view();
  CommittedView committed_view();

  // Queues `side` for its own transaction, after the batches sealed so far. `done` runs on the
  // committer.
  void commit_side(SideBatch side, Task done);
  // Queues a defragmentation (MNT-05, BKT-14); reads and puts go on meanwhile. `done` runs on the
  // committer.
  void defragment(std::function<void(absl::Status)> done);

  // For going over to another state: see Engine. hand_over() lets `successor` take the engine's
  // place, after the batches sealed so far; `done` runs on the committer, with Unavailable if this
  // backend was closed before. Readers of this backend go on; what is put here from then on is
  // lost with the process.
  absl::StatusOr<std::unique_ptr<Engine>> make_successor();
  void hand_over(Engine& successor, UniqueFunction<void(absl::Status)> done);

  // CRC-32C over names, keys and values of all buckets but meta's term, consistent_index and
  // storageVersion (MNT-06). Of the committed state: force_commit first.
  uint32_t hash();

  int64_t size() const;  // BKT-15, as of the last commit
  int64_t size_in_use() const;
  uint64_t commits() const;  // since start
  // Around a walk over much of Bucket::key: read ahead, and give the memory back afterwards.
  void expect_scan();
  void release_pages();

 private:
  std::shared_ptr<BackendCore> core_;  // shared with tasks queued on the committer
  struct Pending;
  std::unique_ptr<Pending> pending_;  // the owner's side
};

// Sealed batches that may wait for the disk. With batch_limit operations each this bounds what a
// stuck disk makes us hold in memory; more than one, so that a slow fsync doesn't stop apply at
// once.
inline constexpr size_t kSealedBatchesMax = 4;

// Views open at the same time. Above the number of threads plus streams of snapshots that a server
// can have; the next one waits for a free place.
inline constexpr size_t kReadersMax = 510;

// Consistent index and term in Bucket::meta (BKT-03, BKT-09; etcd schema/cindex.go). Index 0 is
// never stored.
struct ConsistentIndex {
  uint64_t index = 0;
  uint64_t term = 0;
};
ConsistentIndex read_consistent_index(ReadView& view);
ConsistentIndex read_consistent_index(Engine::Reader& state);  // between begin() and end()
void put_consistent_index(Backend& backend, const ConsistentIndex& value);

}  // namespace holdfast::backend
