// What the members of a run log, with virtual time, on stderr; or nothing.
#pragma once

#include "base/log.h"
#include "sim/scheduler.h"

namespace holdfast::sim {

class TraceLog : public Logger {
 public:
  TraceLog(const SimScheduler& scheduler, bool on) : scheduler_(scheduler), on_(on) {}
  void write(LogLevel level, std::string_view message, const std::vector<LogField>& fields, const char* file,
             int line) override;
  bool enabled(LogLevel level) const override { return on_ && level >= LogLevel::debug; }

 private:
  const SimScheduler& scheduler_;
  const bool on_;
};

}  // namespace holdfast::sim
