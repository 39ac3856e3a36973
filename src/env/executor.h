// Where owners run. An owner is an object whose methods are called on one executor only, one after the other; handing
// it a message is executor.post([owner, message] { owner->handle(message); }).
//
// Production: os::ThreadExecutor (one thread, a queue, at most one wake-up while it sleeps) and net's I/O threads.
// Simulation: all executors of all members share one seeded scheduler in one thread.
#pragma once

#include <cstdint>

#include "base/task.h"
#include "env/clock.h"

namespace holdfast::env {

using TimerId = uint64_t;  // 0 = none

class Executor {
 public:
  virtual ~Executor() = default;

  // Thread-safe. Tasks posted by one thread run in the order of their posting; never inside the call. Tasks posted
  // after the executor was stopped are destroyed without being run.
  virtual void post(Task task) = 0;

  // Thread-safe. Runs `task` on this executor not before `when`. The id can be cancelled from the executor itself: a
  // timer cancelled there is certain not to run. From elsewhere it may have begun already.
  virtual TimerId post_at(Instant when, Task task) = 0;
  virtual void cancel(TimerId id) = 0;

  virtual const Clock& clock() const = 0;
  Instant now() const { return clock().now(); }
  TimerId post_after(Duration delay, Task task) { return post_at(now() + delay, std::move(task)); }

  // True when called from a task of this executor.
  virtual bool running_here() const = 0;
};

}  // namespace holdfast::env
