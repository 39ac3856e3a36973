// Compactions, one after the other, in small steps on the background executor (KV-28..30; etcd
// server/storage/mvcc/kvstore_compaction.go). Private to mvcc/.
//
// One run: wait until the wish is durable and readers of older revisions are gone; forget in the
// index, which gives the list of revisions that stay; walk over Bucket::key up to the revision,
// deleting what isn't in the list and hashing what was there since the compaction before; note the
// end in `meta` together with the last deletions.
#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "backend/backend.h"
#include "base/task.h"
#include "env/clock.h"
#include "mvcc/revision_hash.h"

namespace holdfast::mvcc {

class StoreCore;

struct CompactionJob {
  enum class Kind : uint8_t {
    compaction,
    barrier
  } kind = Kind::compaction;  // barrier: only `done` waits for its turn
  int64_t at = 0;
  int64_t previous = 0;  // the compaction before
  enum class Hash : uint8_t {
    whole,
    partial
  } hash = Hash::whole;  // partial: the one before was interrupted
  Task done;
  bool durable = false;
};

// All methods on the background executor, under StoreCore's step mutex.
class Compactor {
 public:
  explicit Compactor(StoreCore& core) : core_(core) {}

  void add(std::shared_ptr<CompactionJob> job);
  void wish_is_durable(CompactionJob& job);

 private:
  using Step = void (Compactor::*)();
  void start_next();
  void turn_gate();
  void wait_for_readers();
  void compact_index();
  void begin_walk();
  void walk();
  void sleep_then_walk();
  void finish();

  StoreCore& core_;
  // Shared with the task that tells that the wish is durable. Bounded by the compactions that
  // clients ask for.
  std::deque<std::shared_ptr<CompactionJob>> jobs_;
  bool running_ = false;

  // Of the job that runs.
  env::Instant began_;
  env::Duration longest_pause_{};
  std::string index_position_;
  std::vector<RevisionPair> kept_list_;
  std::optional<KeptRevisions> kept_;
  std::optional<RevisionHash> hash_;
  RevisionPair position_;
  int64_t deleted_ = 0;
};

}  // namespace holdfast::mvcc
