#include "server/applied_waits.h"

#include "base/errors.h"

namespace holdfast::server {

namespace {
constexpr env::Duration kTimeout = std::chrono::seconds(1);
}  // namespace

AppliedWaits::~AppliedWaits() { apply_.cancel(timer_); }

void AppliedWaits::wait(env::Executor& reply_on, Done done) {
  Waiter waiter{board_.committed(), apply_.now() + kTimeout, &reply_on, std::move(done)};
  apply_.post([this, waiter = std::move(waiter)]() mutable { add(std::move(waiter)); });
}

void AppliedWaits::add(Waiter waiter) {
  if (stopped_) return answer(std::move(waiter), error(EtcdError::stopped));
  if (waiter.index <= board_.applied()) return answer(std::move(waiter), absl::OkStatus());
  // Threads may have read the board in another order than they come here; whoever came first waits no longer for it.
  if (!waiters_.empty()) {
    waiter.index = std::max(waiter.index, waiters_.back().index);
    waiter.deadline = std::max(waiter.deadline, waiters_.back().deadline);
  }
  waiters_.push_back(std::move(waiter));
  if (timer_ == 0) timer_ = apply_.post_at(waiters_.front().deadline, [this] { expire(); });
}

void AppliedWaits::on_applied(Index index, Term) {
  while (!waiters_.empty() && waiters_.front().index <= index) {
    answer(std::move(waiters_.front()), absl::OkStatus());
    waiters_.pop_front();
  }
}

void AppliedWaits::expire() {
  timer_ = 0;
  while (!waiters_.empty() && waiters_.front().deadline <= apply_.now()) {
    answer(std::move(waiters_.front()), error(EtcdError::timeout_wait_applied_index));
    waiters_.pop_front();
  }
  if (!waiters_.empty())
    timer_ = apply_.post_at(waiters_.front().deadline, [this] { expire(); });
}

void AppliedWaits::stop() {
  stopped_ = true;
  apply_.cancel(std::exchange(timer_, 0));
  for (Waiter& waiter : waiters_) answer(std::move(waiter), error(EtcdError::stopped));
  waiters_.clear();
}

void AppliedWaits::answer(Waiter waiter, absl::Status status) {
  env::Executor* executor = waiter.reply_on;
  executor->post([done = std::move(waiter.done), status = std::move(status)]() mutable {
    done(std::move(status));
  });
}

}  // namespace holdfast::server
