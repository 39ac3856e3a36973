// The calls of a load: which method, and the n-th request's bytes. Pure; one object a thread.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "apps/holdfast-bench/options.h"
#include "base/random.h"

namespace holdfast::bench {

// "/package.Service/Method".
std::string_view method_of(Operation operation);

class Requests {
 public:
  Requests(const Options& options, uint64_t seed);

  // The serialized request of call number `n`.
  std::string make(uint64_t n);
  // "bench/000...0042", `options.key_bytes` long.
  std::string key(uint64_t n) const;

 private:
  const Options options_;
  const std::string value_;
  Random random_;
};

}  // namespace holdfast::bench
