#include "os/thread_executor.h"

#include <pthread.h>

#include <algorithm>

#include "base/check.h"

namespace holdfast::os {

namespace {

thread_local const ThreadExecutor* current_executor = nullptr;

// A queue that once was this long gives its memory back when it is empty again.
constexpr size_t kKeepCapacity = 16 * 1024;

// Cancelled deadlines are swept out of the heap when they are this many and the majority.
constexpr size_t kSweepDeadlines = 64;

}  // namespace

ThreadExecutor::ThreadExecutor(std::string name, const env::Clock& clock)
    : clock_(clock), name_(std::move(name)) {
  thread_ = std::thread([this] { run(); });
}

ThreadExecutor::~ThreadExecutor() { stop(); }

void ThreadExecutor::stop() {
  CHECK(!running_here(), "executor {} stopped by its own task", name_);
  {
    std::lock_guard lock(mutex_);
    stopping_.store(true, std::memory_order_relaxed);
  }
  wake_.notify_one();
  if (thread_.joinable()) thread_.join();
}

void ThreadExecutor::post(Task task) {
  bool wake;
  {
    std::lock_guard lock(mutex_);
    if (stopping_.load(std::memory_order_relaxed)) return;  // `task` is destroyed after the lock is gone
    queue_.push_back(std::move(task));
    wake = asleep_;
    asleep_ = false;
  }
  if (wake) wake_.notify_one();
}

env::TimerId ThreadExecutor::post_at(env::Instant when, Task task) {
  bool wake;
  env::TimerId id;
  {
    std::lock_guard lock(mutex_);
    id = ++last_timer_;
    if (stopping_.load(std::memory_order_relaxed)) return id;
    timers_.emplace(id, std::move(task));
    deadlines_.push_back({when, id});
    std::push_heap(deadlines_.begin(), deadlines_.end());
    wake = asleep_ && deadlines_.front().id == id;
    if (wake) asleep_ = false;
  }
  if (wake) wake_.notify_one();
  return id;
}

void ThreadExecutor::cancel(env::TimerId id) {
  Task dropped;
  std::lock_guard lock(mutex_);
  const auto it = timers_.find(id);
  if (it == timers_.end()) return;
  std::swap(dropped, it->second);
  timers_.erase(it);
  forget_cancelled_deadlines();
}

// mutex_ is held.
void ThreadExecutor::forget_cancelled_deadlines() {
  if (deadlines_.size() < kSweepDeadlines || deadlines_.size() < 2 * timers_.size()) return;
  std::erase_if(deadlines_, [this](const Deadline& d) { return !timers_.contains(d.id); });
  std::make_heap(deadlines_.begin(), deadlines_.end());
}

bool ThreadExecutor::running_here() const { return current_executor == this; }

void ThreadExecutor::run() {
  current_executor = this;
  pthread_setname_np(pthread_self(), name_.substr(0, 15).c_str());
  std::vector<Task> batch;
  for (;;) {
    {
      std::unique_lock lock(mutex_);
      if (!wait_for_work(lock, batch)) break;
    }
    run_batch(batch);
    run_due_timers();
  }
  destroy_leftovers(batch);
}

// Returns false when stopping. Otherwise `batch` holds what was queued, or is empty and a timer may be due.
bool ThreadExecutor::wait_for_work(std::unique_lock<std::mutex>& lock, std::vector<Task>& batch) {
  for (;;) {
    if (stopping_.load(std::memory_order_relaxed)) return false;
    if (!queue_.empty()) {
      queue_.swap(batch);
      return true;
    }
    if (deadlines_.empty()) {
      asleep_ = true;
      wake_.wait(lock);
    } else {
      const env::Duration left = deadlines_.front().when - clock_.now();
      if (left <= env::Duration::zero()) return true;
      asleep_ = true;
      wake_.wait_for(lock, left);
    }
    asleep_ = false;
  }
}

void ThreadExecutor::run_batch(std::vector<Task>& batch) {
  for (Task& task : batch) {
    if (stopping_.load(std::memory_order_relaxed)) return;
    task();
    task = Task();
  }
  if (batch.capacity() > kKeepCapacity) {
    std::vector<Task>().swap(batch);
  } else {
    batch.clear();
  }
}

void ThreadExecutor::run_due_timers() {
  env::TimerId newest = 0;
  env::Instant now;
  for (;;) {
    Task task;
    {
      std::lock_guard lock(mutex_);
      if (deadlines_.empty()) return;
      if (newest == 0) {
        now = clock_.now();
        newest = last_timer_;
      }
      const Deadline next = deadlines_.front();
      // Timers set by the timers of this round wait for the next one.
      if (next.when > now || next.id > newest) return;
      std::pop_heap(deadlines_.begin(), deadlines_.end());
      deadlines_.pop_back();
      const auto it = timers_.find(next.id);
      if (it == timers_.end()) continue;  // cancelled
      task = std::move(it->second);
      timers_.erase(it);
    }
    if (stopping_.load(std::memory_order_relaxed)) return;
    task();
  }
}

// Destroying a task may post or cancel; by now post() drops what it is given.
void ThreadExecutor::destroy_leftovers(std::vector<Task>& batch) {
  batch.clear();
  std::vector<Task> queue;
  absl::flat_hash_map<env::TimerId, Task> timers;
  {
    std::lock_guard lock(mutex_);
    queue.swap(queue_);
    timers.swap(timers_);
    deadlines_.clear();
  }
}

}  // namespace holdfast::os
