// The end of the process as an effect: after a failed fsync, or a broken promise of the disk, a member must stop at
// once and never go on with what it has in memory. Production writes the message and exits; simulation crashes the member.
#pragma once

#include <string_view>

namespace holdfast::env {

class Process {
 public:
  virtual ~Process() = default;
  // Does not return in production. In simulation it throws out of the member's task, which is never run again.
  [[noreturn]] virtual void die(std::string_view message) = 0;
};

}  // namespace holdfast::env
