// Named places in the code where a test or the simulator can make something happen. FAULT_POINT(points, "wal.before_sync")
// evaluates to true when the fault should strike. Compiled out of release builds (constant false).
#pragma once

#include <string_view>

namespace holdfast::env {

class FaultPoints {
 public:
  virtual ~FaultPoints() = default;
  // Called each time the point is passed; true: strike now.
  virtual bool strike(std::string_view name) = 0;
};

class NoFaults : public FaultPoints {
 public:
  bool strike(std::string_view) override { return false; }
};

}  // namespace holdfast::env

#ifdef HOLDFAST_FAULT_POINTS
#define FAULT_POINT(points, name) ((points).strike(name))
#else
#define FAULT_POINT(points, name) (false)
#endif
