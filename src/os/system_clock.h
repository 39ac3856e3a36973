// CLOCK_MONOTONIC and CLOCK_REALTIME.
#pragma once

#include "env/clock.h"

namespace holdfast::os {

// Thread-safe; has no state.
class SystemClock final : public env::Clock {
 public:
  env::Instant now() const override;
  int64_t unix_nanoseconds() const override;
};

}  // namespace holdfast::os
