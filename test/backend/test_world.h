// Executors in virtual time, one thread: what a test posts runs when the test says so.
#pragma once

#include <deque>
#include <map>
#include <string>

#include "backend/backend.h"
#include "base/log.h"
#include "env/clock.h"
#include "env/executor.h"
#include "env/metrics.h"
#include "test/throwing_process.h"

namespace holdfast::backend {

class VirtualClock final : public env::Clock {
 public:
  env::Instant now() const override { return {nanoseconds}; }
  int64_t unix_nanoseconds() const override { return nanoseconds; }
  int64_t nanoseconds = 1;
};

class ManualExecutor final : public env::Executor {
 public:
  explicit ManualExecutor(VirtualClock& clock) : clock_(clock) {}

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
    if (tasks_.empty() && !timers_.empty() && timers_.begin()->first.first <= clock_.nanoseconds) {
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
  // INT64_MAX: none.
  int64_t next_timer() const { return timers_.empty() ? INT64_MAX : timers_.begin()->first.first; }
  size_t waiting() const { return tasks_.size(); }
  void drop_all() {
    tasks_.clear();
    timers_.clear();
  }

 private:
  VirtualClock& clock_;
  std::deque<Task> tasks_;
  std::map<std::pair<int64_t, env::TimerId>, Task> timers_;
  env::TimerId last_ = 0;
  bool running_ = false;
};

struct TestWorld {
  VirtualClock clock;
  ManualExecutor owner{clock};
  ManualExecutor committer{clock};
  ManualExecutor background{clock};
  ThrowingProcess process;
  env::NullMetrics metrics;
  NullLogger log;

  BackendEnvironment backend_environment() { return {owner, committer, process, metrics, log}; }
  // Until nothing is left that can run without time passing.
  void run_ready() {
    while (owner.run_one() || committer.run_one() || background.run_one()) {
    }
  }
  void pass(env::Duration time) {
    const int64_t end = clock.nanoseconds + time.count();
    run_ready();
    while (true) {
      const int64_t next =
          std::min({owner.next_timer(), committer.next_timer(), background.next_timer()});
      if (next > end) break;
      clock.nanoseconds = std::max(clock.nanoseconds, next);
      run_ready();
    }
    clock.nanoseconds = end;
  }
  void crash() {
    owner.drop_all();
    committer.drop_all();
    background.drop_all();
  }
};

}  // namespace holdfast::backend
