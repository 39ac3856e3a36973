// Random numbers from a generator seeded by the kernel. Not for secrets: those come from OpenSSL or getrandom directly.
#pragma once

#include <mutex>

#include "base/random.h"
#include "env/random.h"

namespace holdfast::os {

class SystemRandom final : public env::RandomSource {
 public:
  SystemRandom();  // ends the process if the kernel gives no randomness
  uint64_t next() override;

 private:
  std::mutex mutex_;
  Random random_;  // guarded by mutex_
};

}  // namespace holdfast::os
