// Waits until everything that is committed now is applied here (etcd waitAppliedIndex; its one second is the bound).
#pragma once

#include <deque>

#include "absl/status/status.h"
#include "base/task.h"
#include "env/executor.h"
#include "server/apply_owner.h"
#include "server/raft_board.h"

namespace holdfast::server {

class AppliedWaits : public ApplyListener {
 public:
  AppliedWaits(env::Executor& apply, const RaftBoard& board) : apply_(apply), board_(board) {}
  ~AppliedWaits() override;

  // Thread-safe. OK, timeout_wait_applied_index, or stopped; on `reply_on`, never inside the call.
  using Done = UniqueFunction<void(absl::Status)>;
  void wait(env::Executor& reply_on, Done done);

  void on_applied(Index index, Term term) override;
  // On the apply executor: answers all with `stopped`, and those who come later.
  void stop();

 private:
  struct Waiter {
    Index index;
    env::Instant deadline;
    env::Executor* reply_on;
    Done done;
  };
  void add(Waiter waiter);
  void expire();
  static void answer(Waiter waiter, absl::Status status);

  env::Executor& apply_;
  const RaftBoard& board_;
  std::deque<Waiter> waiters_;  // rising by index and by deadline
  env::TimerId timer_ = 0;
  bool stopped_ = false;
};

}  // namespace holdfast::server
