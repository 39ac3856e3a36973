// What a backend lives in, in virtual time and one thread: what a test posts runs when the test says so.
#pragma once

#include <algorithm>

#include "backend/backend.h"
#include "base/log.h"
#include "env/metrics.h"
#include "test/manual_executor.h"
#include "test/throwing_process.h"

namespace holdfast::backend {

struct TestWorld {
  ManualClock clock;
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
    const int64_t end = clock.now().nanoseconds + time.count();
    run_ready();
    while (true) {
      const int64_t next =
          std::min({owner.next_timer(), committer.next_timer(), background.next_timer()});
      if (next > end) break;
      clock.set(std::max(clock.now().nanoseconds, next));
      run_ready();
    }
    clock.set(end);
  }
  void crash() {
    owner.drop_all();
    committer.drop_all();
    background.drop_all();
  }
};

}  // namespace holdfast::backend
