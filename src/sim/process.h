// A simulated process: what one member, or one client, is between its start and its death. It has a clock that may go
// wrong, executors (as many as it asks for), randomness and fault points, and ends by die(), by kill() or by stop().
//
//   SimProcess process(scheduler, clock, options);      // the clock belongs to the machine and outlives the process
//   env::Executor& raft = process.add_executor("raft");
//
// Execution. Tasks of different executors interleave at the seed's will; an executor's own run one at a time, in order,
// each taking some virtual time. Time that a task spends on the disk (busy_time) counts: what it posts or sends
// afterwards happens after it, and the executor is busy until then.
//
// Death. kill() destroys all queued tasks at once and nothing of this process runs again; objects that live on its
// executors are to be destroyed after that. die() is kill() from inside a task, and unwinds it.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "base/random.h"
#include "env/clock.h"
#include "env/executor.h"
#include "env/fault_points.h"
#include "env/process.h"
#include "env/random.h"
#include "sim/scheduler.h"
#include "sim/task_queue.h"

namespace holdfast::sim {

// The clock of a machine: runs at a rate of its own, may be set and may jump. Only forward as a monotonic clock, both
// ways as a wall clock.
class SimClock final : public env::Clock {
 public:
  explicit SimClock(const SimScheduler& scheduler);

  env::Instant now() const override;
  int64_t unix_nanoseconds() const override;

  // When the scheduler will stand at the instant that this clock calls `local`; the past is the past.
  env::Instant to_virtual(env::Instant local) const;
  // Parts per million of the true rate: 1'000'000 is a good clock. > 0.
  void set_rate(int64_t ppm);
  void jump(env::Duration forward);      // monotonic and wall clock
  void jump_wall(env::Duration by);      // wall clock only
  // Called after each change, so that whoever waits for an instant can look again. One listener.
  void on_change(std::function<void()> listener) { listener_ = std::move(listener); }
  // Time that the task under way has spent so far.
  void set_elapsed(env::Duration elapsed) { elapsed_ = elapsed; }

 private:
  env::Instant local_at(env::Instant when) const;
  void rebase();

  const SimScheduler& scheduler_;
  env::Instant base_virtual_{0};
  env::Instant base_local_{0};
  int64_t rate_ppm_ = 1'000'000;
  int64_t wall_offset_;
  env::Duration elapsed_{0};
  std::function<void()> listener_;
};

class SimRandom final : public env::RandomSource {
 public:
  explicit SimRandom(uint64_t seed) : random_(seed) {}
  uint64_t next() override { return random_.next(); }

 private:
  Random random_;
};

// Strikes by name with a probability; names that were not set never strike. Deterministic.
class SimFaultPoints final : public env::FaultPoints {
 public:
  explicit SimFaultPoints(uint64_t seed) : random_(seed) {}
  bool strike(std::string_view name) override;
  void set(std::string_view name, uint32_t ppm);
  // Strikes so far, all names.
  uint64_t strikes() const { return strikes_; }

 private:
  Random random_;
  std::map<std::string, uint32_t, std::less<>> ppm_;
  uint64_t strikes_ = 0;
};

// Thrown by die() through the member's task; caught by the executor.
struct ProcessDied {
  std::string message;
};

class SimExecutor;

class SimProcess final : public env::Process {
 public:
  struct Options {
    uint64_t seed = 0;
    // How long a task takes beside the disk.
    env::Duration task_time_min = std::chrono::nanoseconds(500);
    env::Duration task_time_max = std::chrono::microseconds(20);
  };
  SimProcess(SimScheduler& scheduler, SimClock& clock, const Options& options);
  ~SimProcess() override;

  SimExecutor& add_executor(std::string name);

  // Time that the task under way spent on the disk since the last call (SimDisk::take_busy_time).
  void set_busy_time(std::function<env::Duration()> take) { take_busy_time_ = std::move(take); }
  // Runs after every task of the executors, while the process lives.
  void set_after_task(std::function<void(SimExecutor&)> after) { after_task_ = std::move(after); }
  // Told of a death by die(), outside of any task of the process.
  void on_death(std::function<void(std::string message)> told) { on_death_ = std::move(told); }

  [[noreturn]] void die(std::string_view message) override;
  // From outside of its tasks, or from inside: the task under way goes on, nothing after it.
  void kill();
  bool alive() const { return alive_; }
  // Of one that is not alive: when it ended, which is within the task that called die().
  env::Instant ended_at() const { return ended_at_; }

  // Nothing runs while paused; clocks and the network go on.
  void pause();
  void resume();
  bool paused() const { return paused_; }

  SimClock& clock() { return clock_; }
  SimRandom& random() { return random_; }
  SimFaultPoints& faults() { return faults_; }
  SimScheduler& scheduler() { return scheduler_; }
  // When what the task under way does now really happens.
  env::Instant effect_time();
  // The largest number of tasks that one executor had queued.
  size_t deepest_queue() const { return deepest_queue_; }

 private:
  friend class SimExecutor;
  void arm_all();
  env::Duration task_time();

  SimScheduler& scheduler_;
  SimClock& clock_;
  const Options options_;
  SimRandom random_;
  SimFaultPoints faults_;
  Random timing_;
  std::vector<std::unique_ptr<SimExecutor>> executors_;
  std::function<env::Duration()> take_busy_time_;
  std::function<void(SimExecutor&)> after_task_;
  std::function<void(std::string)> on_death_;
  SimExecutor* running_ = nullptr;
  env::Duration elapsed_{0};  // of the task under way
  size_t deepest_queue_ = 0;
  bool alive_ = true;
  env::Instant ended_at_{0};
  bool paused_ = false;
};

class SimExecutor final : public env::Executor {
 public:
  SimExecutor(SimProcess& process, std::string name);
  ~SimExecutor() override;

  void post(Task task) override;
  env::TimerId post_at(env::Instant when, Task task) override;
  void cancel(env::TimerId id) override;
  const env::Clock& clock() const override { return process_.clock_; }
  bool running_here() const override { return process_.running_ == this; }

  const std::string& name() const { return name_; }
  size_t queued() const { return tasks_.size(); }

 private:
  friend class SimProcess;
  using TimerKey = std::pair<int64_t, env::TimerId>;  // local instant

  void arm();
  void run();
  bool take(Task& task);
  void clear();

  SimProcess& process_;
  const std::string name_;
  TaskQueue tasks_;  // ready: virtual
  std::map<TimerKey, Task> timers_;
  absl::flat_hash_map<env::TimerId, int64_t> timer_times_;
  env::TimerId next_timer_ = 1;
  env::Instant busy_until_{0};
  EventId wake_ = 0;
  env::Instant wake_at_{0};
};

}  // namespace holdfast::sim
