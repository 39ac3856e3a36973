// Compaction: refuses older reads at once; the deletion itself goes on behind, and who asked for it waits at a barrier
// (parity KV-27..31).
#include <mutex>
#include <vector>

#include "apply/state_machine.h"
#include "base/errors.h"
#include "raft_internal.pb.h"

namespace holdfast::apply {

namespace pb = etcdserverpb;

namespace {

class Barrier : public CompactionBarrier {
 public:
  void on_done(env::Executor& executor, Task done) override {
    {
      std::lock_guard lock(mutex_);
      if (!open_) {
        waiters_.push_back({&executor, std::move(done)});
        return;
      }
    }
    executor.post(std::move(done));
  }

  void open() {
    std::vector<Waiter> waiters;
    {
      std::lock_guard lock(mutex_);
      open_ = true;
      waiters.swap(waiters_);
    }
    for (Waiter& waiter : waiters) waiter.executor->post(std::move(waiter.done));
  }

 private:
  struct Waiter {
    env::Executor* executor;
    Task done;
  };
  std::mutex mutex_;
  bool open_ = false;
  std::vector<Waiter> waiters_;
};

// Opens the barrier when the store has done its work, or has dropped it because it is going away.
class BarrierOpener {
 public:
  explicit BarrierOpener(std::shared_ptr<Barrier> barrier) : barrier_(std::move(barrier)) {}
  BarrierOpener(BarrierOpener&&) noexcept = default;
  ~BarrierOpener() {
    if (barrier_) barrier_->open();
  }
  void operator()() {}

 private:
  std::shared_ptr<Barrier> barrier_;  // shared with the waiting request
};

}  // namespace

void StateMachine::apply_compaction(const ParsedRequest& request, bool has_waiter,
                                    Result& result) {
  const pb::CompactionRequest& compaction = request.message().compaction();
  std::shared_ptr<Barrier> barrier;
  Task physically_done;
  if (has_waiter && compaction.physical()) {
    barrier = std::make_shared<Barrier>();
    physically_done = BarrierOpener(barrier);
  }
  result.status = store_->compact(Revision(compaction.revision()), std::move(physically_done));
  if (!is(result.status, EtcdError::future_rev)) result.compaction = std::move(barrier);
  if (!result.status.ok() || !has_waiter) return;
  auto response = std::make_unique<pb::CompactionResponse>();
  response->mutable_header()->set_revision(store_->current_revision().value);
  result.response = std::move(response);
}

}  // namespace holdfast::apply
