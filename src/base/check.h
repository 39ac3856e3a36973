// CHECK stays on in release builds: a broken invariant ends the process with file, line and message, because a
// member that goes on with broken state is worse than one that is gone. INVARIANT is for expensive conditions; it is
// compiled in only with fault points (tests and simulation).
#pragma once

#include <string>
#include <string_view>

#include "fmt/core.h"

namespace holdfast {

// Writes one line to stderr and aborts.
[[noreturn]] void check_failed(const char* file, int line, const char* condition,
                               std::string_view message);

}  // namespace holdfast

// CHECK(condition) or CHECK(condition, "format {}", args...)
#define CHECK(condition, ...)                                                               \
  do {                                                                                      \
    if (__builtin_expect(!(condition), 0))                                                  \
      ::holdfast::check_failed(__FILE__, __LINE__, #condition,                              \
                               ::std::string{__VA_OPT__(::fmt::format(__VA_ARGS__))});      \
  } while (false)

#ifdef HOLDFAST_FAULT_POINTS
#define INVARIANT(condition, ...) CHECK(condition __VA_OPT__(, ) __VA_ARGS__)
#else
#define INVARIANT(condition, ...) \
  do {                            \
  } while (false)
#endif
