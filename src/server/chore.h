// Something a member does beside serving requests: compacting now and then, publishing its name, purging old files.
// A new feature of this kind is a new chore in the member's list, never a new field of the member.
#pragma once

#include <string_view>

namespace holdfast::server {

class Chore {
 public:
  virtual ~Chore() = default;
  virtual std::string_view name() const = 0;
  // Called once, on any thread, when the member runs.
  virtual void start() = 0;
  // Called once, on any thread. Nothing happens afterwards beyond what is under way.
  virtual void stop() = 0;
};

}  // namespace holdfast::server
