#include "os/system_clock.h"

#include <ctime>

namespace holdfast::os {

namespace {
int64_t read_clock(clockid_t id) {
  timespec t;
  clock_gettime(id, &t);
  return static_cast<int64_t>(t.tv_sec) * 1'000'000'000 + t.tv_nsec;
}
}  // namespace

env::Instant SystemClock::now() const { return {read_clock(CLOCK_MONOTONIC)}; }
int64_t SystemClock::unix_nanoseconds() const { return read_clock(CLOCK_REALTIME); }

}  // namespace holdfast::os
