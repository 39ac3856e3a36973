#include "os/system_random.h"

#include <sys/random.h>

#include <cerrno>

#include "base/check.h"

namespace holdfast::os {

namespace {
uint64_t kernel_seed() {
  uint64_t seed;
  ssize_t n;
  do {
    n = getrandom(&seed, sizeof(seed), 0);
  } while (n < 0 && errno == EINTR);
  CHECK(n == sizeof(seed), "getrandom: errno {}", errno);
  return seed;
}
}  // namespace

SystemRandom::SystemRandom() : random_(kernel_seed()) {}

uint64_t SystemRandom::next() {
  std::lock_guard lock(mutex_);
  return random_.next();
}

}  // namespace holdfast::os
