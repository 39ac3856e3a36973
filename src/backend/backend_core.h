// The part of a Backend that its owner, the committer and the readers share. Private to backend/.
#pragma once

#include <atomic>
#include <condition_variable>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <vector>

#include "backend/backend.h"
#include "backend/batch.h"

namespace holdfast::backend {

// The batches that a reader must ask before the engine, newest first (the pending one, then sealed
// ones). Immutable.
struct BatchSet {
  std::vector<std::shared_ptr<const Batch>>
      batches;  // shared by all sets that name it, and the committer
};

// A place for one open view. `batches` is a hazard pointer: a set named there is not freed.
struct alignas(64) ReaderSlot {
  std::atomic<bool> busy = false;
  std::atomic<const BatchSet*> batches = nullptr;
  std::unique_ptr<Engine::Reader>
      reader;  // made at the first use of the engine; by whoever holds the slot
  bool seen = false;  // by whoever holds the slot: it is among `slots_used_`
};

class BackendCore : public std::enable_shared_from_this<BackendCore> {
 public:
  BackendCore(std::unique_ptr<Engine> engine, const BackendEnvironment& environment);
  ~BackendCore();

  // One thing for the committer to do. Everything is done in the order of submission.
  struct Work {
    std::shared_ptr<const Batch> batch;
    std::unique_ptr<SideBatch> side;
    std::function<void(absl::Status)> defragmented;
    Engine* successor = nullptr;
    UniqueFunction<void(absl::Status)> handed_over;
    std::vector<Task> done;
    enum class Close : uint8_t { no, yes } close = Close::no;
  };
  void submit(Work work);

  // Owner: `pending` joins the set in front; what was in front before is sealed by that and must be
  // submitted.
  void add_batch(std::shared_ptr<const Batch> pending);
  size_t sealed_waiting() const { return sealed_waiting_.load(std::memory_order_acquire); }
  // The owner asks to be called back (on the committer) when fewer than kSealedBatchesMax wait.
  void call_when_room(std::function<void()> call);

  ReadView view();
  CommittedView committed_view();
  uint32_t hash();

  ReaderSlot* take_slot();
  void leave_slot(ReaderSlot* slot);
  Engine::Reader& reader_of(ReaderSlot* slot);

  Engine& engine() { return *engine_; }
  const BackendEnvironment& environment() const { return environment_; }

  std::atomic<int64_t> size = 0;
  std::atomic<int64_t> size_in_use = 0;
  std::atomic<uint64_t> commits = 0;

 private:
  friend class Backend;
  void run_one();
  void hand_over(Work& work);
  void write(absl::FunctionRef<void(Engine::Writer&)> fill);
  void run_defragmentation(const std::function<void(absl::Status)>& done);
  void drop_batch(const std::shared_ptr<const Batch>& batch);
  void replace_set(std::unique_ptr<const BatchSet> next);  // mutex_ held
  void publish_sizes();
  // Those that ever were taken: few of all, as many as threads read at once.
  void visit_used_slots(absl::FunctionRef<void(const ReaderSlot&)> visit) const;

  const BackendEnvironment environment_;
  const std::unique_ptr<Engine> engine_;
  bool closed_ = false;  // committer
  env::Histogram& commit_seconds_;
  env::Histogram& write_seconds_;
  env::Histogram& defragment_seconds_;
  env::Histogram& hash_seconds_;
  env::Gauge& defragment_inflight_;
  env::Gauge& total_bytes_;
  env::Gauge& in_use_bytes_;
  env::Gauge& open_readers_;

  std::atomic<const BatchSet*> current_;
  std::atomic<size_t> sealed_waiting_ = 0;

  std::mutex mutex_;  // guards what follows
  std::deque<Work> queue_;
  std::function<void()> room_call_;
  std::unique_ptr<const BatchSet> owned_current_;
  std::vector<std::unique_ptr<const BatchSet>> retired_;  // named by a slot when they were replaced

  std::array<ReaderSlot, kReadersMax> slots_;
  // A bit a slot, set before its first holder names a set in it. Whoever doesn't see the bit has replaced the set before.
  std::array<std::atomic<uint64_t>, (kReadersMax + 63) / 64> slots_used_ = {};
  std::atomic<int> slot_waiters_ = 0;
  std::mutex slot_mutex_;
  std::condition_variable slot_left_;
};

}  // namespace holdfast::backend
