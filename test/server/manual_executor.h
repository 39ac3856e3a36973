// An executor whose time stands still until the test moves it, and which runs nothing by itself.
#pragma once

#include <deque>
#include <map>

#include "env/executor.h"

namespace holdfast::server {

class ManualClock : public env::Clock {
 public:
  env::Instant now() const override { return now_; }
  int64_t unix_nanoseconds() const override { return now_.nanoseconds; }
  void advance(env::Duration by) { now_ = now_ + by; }

 private:
  env::Instant now_{1'000'000'000};
};

class ManualExecutor : public env::Executor {
 public:
  explicit ManualExecutor(ManualClock& clock) : clock_(clock) {}

  void post(Task task) override { tasks_.push_back(std::move(task)); }
  env::TimerId post_at(env::Instant when, Task task) override {
    timers_.emplace(std::make_pair(when.nanoseconds, ++last_id_), std::move(task));
    return last_id_;
  }
  void cancel(env::TimerId id) override {
    std::erase_if(timers_, [id](const auto& timer) { return timer.first.second == id; });
  }
  const env::Clock& clock() const override { return clock_; }
  bool running_here() const override { return running_; }

  // Runs what is posted and due, and what that posts, until nothing is left.
  void run() {
    running_ = true;
    for (;;) {
      if (!timers_.empty() && timers_.begin()->first.first <= clock_.now().nanoseconds) {
        tasks_.push_back(std::move(timers_.begin()->second));
        timers_.erase(timers_.begin());
      }
      if (tasks_.empty()) break;
      Task task = std::move(tasks_.front());
      tasks_.pop_front();
      task();
    }
    running_ = false;
  }
  size_t timers() const { return timers_.size(); }

 private:
  ManualClock& clock_;
  std::deque<Task> tasks_;
  std::map<std::pair<int64_t, env::TimerId>, Task> timers_;
  env::TimerId last_id_ = 0;
  bool running_ = false;
};

}  // namespace holdfast::server
