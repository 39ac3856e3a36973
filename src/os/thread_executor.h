// One thread with a queue and timers: where an owner lives in production.
//
// Posting appends to a vector under a mutex; the thread swaps the vector for its own empty one and runs what it took
// without the lock. Only a post that finds the thread asleep wakes it, so a busy executor costs its posters no system
// call. Between two batches the timers that are due run, in the order of their time, then of their posting; a timer set
// by a task for "now" waits for the next round, so neither tasks nor timers starve the other.
//
// The queue has no bound of its own: an executor cannot refuse. Whoever posts on behalf of clients bounds what is under
// way (wait table, in-flight windows, stream buffers).
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "env/executor.h"

namespace holdfast::os {

class ThreadExecutor final : public env::Executor {
 public:
  // Starts the thread. `name` is what ps and debuggers show (the kernel keeps 15 bytes). `clock` must outlive this.
  ThreadExecutor(std::string name, const env::Clock& clock);
  ~ThreadExecutor() override;  // stop()

  ThreadExecutor(const ThreadExecutor&) = delete;
  ThreadExecutor& operator=(const ThreadExecutor&) = delete;

  // Finishes the task that is running, destroys all others (on the executor's thread) and joins. Idempotent; not from a
  // task of this executor; not from two threads at once.
  void stop();

  void post(Task task) override;
  env::TimerId post_at(env::Instant when, Task task) override;
  void cancel(env::TimerId id) override;
  const env::Clock& clock() const override { return clock_; }
  bool running_here() const override;

 private:
  struct Deadline {
    env::Instant when;
    env::TimerId id;
    // std::*_heap keeps the greatest in front: the earliest deadline is "greatest".
    bool operator<(const Deadline& other) const {
      return when != other.when ? when > other.when : id > other.id;
    }
  };

  void run();
  bool wait_for_work(std::unique_lock<std::mutex>& lock, std::vector<Task>& batch);
  void run_batch(std::vector<Task>& batch);
  void run_due_timers();
  void forget_cancelled_deadlines();
  void destroy_leftovers(std::vector<Task>& batch);

  const env::Clock& clock_;
  const std::string name_;

  std::mutex mutex_;
  std::condition_variable wake_;
  bool asleep_ = false;                              // guarded by mutex_
  std::atomic<bool> stopping_{false};                // written under mutex_; read between tasks without
  std::vector<Task> queue_;                          // guarded by mutex_
  std::vector<Deadline> deadlines_;                  // guarded by mutex_; a heap; may hold cancelled ids
  absl::flat_hash_map<env::TimerId, Task> timers_;   // guarded by mutex_; what has neither begun nor been cancelled
  env::TimerId last_timer_ = 0;                      // guarded by mutex_

  std::thread thread_;
};

}  // namespace holdfast::os
