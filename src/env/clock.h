// Time as data. Durations and instants are nanoseconds in std::chrono types; only os/ and sim/ know where time comes
// from.
#pragma once

#include <chrono>
#include <cstdint>

namespace holdfast::env {

using Duration = std::chrono::nanoseconds;

// A point of the monotonic clock; its zero is arbitrary and differs between processes.
struct Instant {
  int64_t nanoseconds = 0;

  auto operator<=>(const Instant&) const = default;
  Instant operator+(Duration d) const { return {nanoseconds + d.count()}; }
  Instant operator-(Duration d) const { return {nanoseconds - d.count()}; }
  Duration operator-(Instant other) const { return Duration(nanoseconds - other.nanoseconds); }
};

// Thread-safe.
class Clock {
 public:
  virtual ~Clock() = default;
  virtual Instant now() const = 0;              // monotonic
  virtual int64_t unix_nanoseconds() const = 0; // wall clock; may jump
};

}  // namespace holdfast::env
