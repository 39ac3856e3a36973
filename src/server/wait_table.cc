#include "server/wait_table.h"

#include <algorithm>

#include "base/check.h"
#include "server/deliveries.h"

namespace holdfast::server {

namespace {
void deliver(WaitTable::Waiter waiter, std::unique_ptr<apply::Result> result) {
  env::Executor* executor = waiter.reply_on;
  executor->post([done = std::move(waiter.done), result = std::move(result)]() mutable {
    done(std::move(result));
  });
}
}  // namespace

void WaitTable::answer(Waiter waiter, absl::Status status) {
  auto result = std::make_unique<apply::Result>();
  result->status = std::move(status);
  deliver(std::move(waiter), std::move(result));
}

void WaitTable::count(const Waiter& waiter, bool success, RequestMetrics::Outcome outcome) {
  metrics_.on_answered(waiter.command, clock_.now() - waiter.started, success, outcome);
}

void WaitTable::give_up(Waiter waiter, absl::Status status) {
  count(waiter, false, RequestMetrics::Outcome::gave_up);
  answer(std::move(waiter), std::move(status));
}

void WaitTable::add(uint64_t id, Waiter waiter) {
  absl::Status refused;
  {
    std::lock_guard lock(mutex_);
    if (closed_.ok()) {
      const Due due{waiter.deadline, id};
      const bool inserted = waiters_.try_emplace(id, std::move(waiter)).second;
      CHECK(inserted, "duplicate request id {:x}", id);
      drop_finished_locked();
      if (rising_.empty() || !(rising_.back().deadline > due.deadline)) {
        rising_.push_back(due);
      } else {
        others_.push(due);
      }
      return;
    }
    refused = closed_;
  }
  give_up(std::move(waiter), std::move(refused));
}

bool WaitTable::contains(uint64_t id) const {
  std::lock_guard lock(mutex_);
  return waiters_.contains(id);
}

bool WaitTable::trigger(uint64_t id, std::unique_ptr<apply::Result> result) {
  Waiter waiter;
  {
    std::lock_guard lock(mutex_);
    auto it = waiters_.find(id);
    if (it == waiters_.end()) return false;
    waiter = std::move(it->second);
    waiters_.erase(it);
  }
  count(waiter, result->status.ok(), RequestMetrics::Outcome::result);
  deliver(std::move(waiter), std::move(result));
  return true;
}

void WaitTable::trigger_all(std::vector<Answer>& answers) {
  using One = std::pair<ProposalDone, std::unique_ptr<apply::Result>>;
  Deliveries<One> deliveries(answers.size());
  const env::Instant now = clock_.now();
  {
    std::lock_guard lock(mutex_);
    for (Answer& answer : answers) {
      auto it = waiters_.find(answer.id);
      if (it == waiters_.end()) continue;
      Waiter& waiter = it->second;
      metrics_.on_answered(waiter.command, now - waiter.started, answer.result->status.ok(),
                           RequestMetrics::Outcome::result);
      deliveries.add(*waiter.reply_on, {std::move(waiter.done), std::move(answer.result)});
      waiters_.erase(it);
    }
  }
  answers.clear();
  deliveries.post([](One& one) { one.first(std::move(one.second)); });
}

bool WaitTable::fail(uint64_t id, absl::Status status) {
  auto result = std::make_unique<apply::Result>();
  result->status = std::move(status);
  return trigger(id, std::move(result));
}

void WaitTable::drop_finished_locked() {
  while (!rising_.empty() && !waiters_.contains(rising_.front().id)) rising_.pop_front();
  while (!others_.empty() && !waiters_.contains(others_.top().id)) others_.pop();
}

std::vector<WaitTable::Waiter> WaitTable::take_due(env::Instant now) {
  std::vector<Waiter> due;
  std::lock_guard lock(mutex_);
  const auto take = [&](uint64_t id) {
    auto it = waiters_.find(id);
    if (it == waiters_.end()) return;
    due.push_back(std::move(it->second));
    waiters_.erase(it);
  };
  while (!rising_.empty() && rising_.front().deadline <= now) {
    take(rising_.front().id);
    rising_.pop_front();
  }
  while (!others_.empty() && others_.top().deadline <= now) {
    take(others_.top().id);
    others_.pop();
  }
  return due;
}

void WaitTable::close(const absl::Status& status) {
  std::vector<std::pair<uint64_t, Waiter>> waiting;
  {
    std::lock_guard lock(mutex_);
    closed_ = status;
    for (auto& [id, waiter] : waiters_) waiting.emplace_back(id, std::move(waiter));
    waiters_.clear();
    rising_.clear();
    others_ = {};
  }
  // Request ids rise in time: answer in that order, not in the table's.
  std::sort(waiting.begin(), waiting.end(),
            [](const auto& a, const auto& b) { return a.first < b.first; });
  for (auto& [id, waiter] : waiting) give_up(std::move(waiter), status);
}

size_t WaitTable::size() const {
  std::lock_guard lock(mutex_);
  return waiters_.size();
}

}  // namespace holdfast::server
