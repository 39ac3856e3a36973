// What the store's transactions, its compactor and tasks on the background executor share. Private
// to mvcc/.
#pragma once

#include <atomic>
#include <memory>
#include <mutex>
#include <vector>

#include "mvcc/compactor.h"
#include "mvcc/key_index.h"
#include "mvcc/reader_gate.h"
#include "mvcc/store.h"
#include "mvcc/store_metrics.h"

namespace holdfast::mvcc {

class StoreCore : public std::enable_shared_from_this<StoreCore> {
 public:
  StoreCore(backend::Backend& backend, LeaseAttacher& leases, const StoreOptions& options,
            const StoreEnvironment& environment)
      : backend(backend),
        leases(leases),
        options(options),
        environment(environment),
        metrics(environment.metrics),
        compactor(*this) {}

  // Reads everything out of the backend.
  absl::Status restore();
  absl::Status compact(Revision revision, Task physically_done);
  absl::StatusOr<RangeSummary> visit(std::string_view key, std::string_view end,
                                     const RangeOptions& range, int64_t now, int64_t oldest,
                                     PairVisitor visit);
  absl::StatusOr<HashResult> hash_kv(Revision revision);
  void add_hash(const CompactionHash& hash);
  std::vector<CompactionHash> hashes();

  // Background steps: none runs once stop() returned.
  void post_step(void (Compactor::*step)());
  void post_step_after(env::Duration delay, void (Compactor::*step)());
  // Runs `call(compactor)` as a step.
  template <class Call>
  void post_call(Call call) {
    environment.background.post([self = shared_from_this(), call = std::move(call)]() mutable {
      std::lock_guard lock(self->step_mutex_);
      if (!self->stopped_) call(self->compactor);
    });
  }
  void stop();

  backend::Backend& backend;
  LeaseAttacher& leases;
  const StoreOptions options;
  const StoreEnvironment environment;
  StoreMetrics metrics;
  KeyIndex index;
  ReaderGate gate;

  // Written by the apply owner. A reader enters the gate first and loads them then.
  std::atomic<int64_t> current = 1;
  std::atomic<int64_t> compacted = -1;
  // The last compaction whose deletions are all durable; -1: none. Written by the compactor.
  std::atomic<int64_t> finished = -1;

  Compactor compactor;

 private:
  absl::Status restore_records(std::vector<std::pair<std::string, LeaseId>>& leased);
  std::vector<RevisionPair> keep_list(int64_t at);
  absl::StatusOr<RangeSummary> visit_one(std::string_view key, const RangeOptions& range,
                                         int64_t at, int64_t now, PairVisitor visit);
  void tell(backend::ReadView& view, RevisionPair revision, PairVisitor visit);

  std::mutex step_mutex_;  // held by every background step
  bool stopped_ = false;
  std::mutex hash_mutex_;               // guards hashes_
  std::vector<CompactionHash> hashes_;  // by revision, at most kCompactionHashesMax
};

}  // namespace holdfast::mvcc
