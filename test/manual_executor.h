// A clock that stands still until the test moves it, and an executor on it that runs nothing by itself.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <utility>

#include "env/clock.h"
#include "env/executor.h"

namespace holdfast {

class ManualClock final : public env::Clock {
 public:
  env::Instant now() const override { return now_; }
  int64_t unix_nanoseconds() const override { return now_.nanoseconds; }
  void advance(env::Duration by) { now_ = now_ + by; }
  void set(int64_t nanoseconds) { now_ = {nanoseconds}; }

 private:
  env::Instant now_{1'000'000'000};
};

class ManualExecutor final : public env::Executor {
 public:
  explicit ManualExecutor(ManualClock& clock) : clock_(clock) {}

  void post(Task task) override { tasks_.push_back(std::move(task)); }
  env::TimerId post_at(env::Instant when, Task task) override {
    timers_.emplace(std::pair(when.nanoseconds, ++last_), std::move(task));
    return last_;
  }
  void cancel(env::TimerId id) override {
    std::erase_if(timers_, [id](const auto& timer) { return timer.first.second == id; });
  }
  const env::Clock& clock() const override { return clock_; }
  bool running_here() const override { return running_; }

  // False if there is nothing to run now.
  bool run_one() {
    if (!timers_.empty() && timers_.begin()->first.first <= clock_.now().nanoseconds) {
      tasks_.push_back(std::move(timers_.begin()->second));
      timers_.erase(timers_.begin());
    }
    if (tasks_.empty()) return false;
    Task task = std::move(tasks_.front());
    tasks_.pop_front();
    running_ = true;
    task();
    running_ = false;
    return true;
  }
  // What is posted and due, and what that posts, until nothing is left.
  void run() {
    while (run_one()) {
    }
  }
  // INT64_MAX: none.
  int64_t next_timer() const { return timers_.empty() ? INT64_MAX : timers_.begin()->first.first; }
  size_t timers() const { return timers_.size(); }
  size_t waiting() const { return tasks_.size(); }
  void drop_all() {
    tasks_.clear();
    timers_.clear();
  }

 private:
  ManualClock& clock_;
  std::deque<Task> tasks_;
  std::map<std::pair<int64_t, env::TimerId>, Task> timers_;
  env::TimerId last_ = 0;
  bool running_ = false;
};

}  // namespace holdfast
