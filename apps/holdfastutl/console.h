// What the commands need of the world: real files, and a log on stderr that only speaks up when something is wrong.
#pragma once

#include <string>
#include <vector>

#include "base/log.h"
#include "env/fault_points.h"
#include "env/metrics.h"
#include "os/posix_file_system.h"
#include "os/process_exit.h"
#include "os/system_clock.h"
#include "wal/wal.h"

namespace holdfast::utl {

class Warnings : public Logger {
 public:
  void write(LogLevel level, std::string_view text, const std::vector<LogField>& fields,
             const char* file, int line) override;
  bool enabled(LogLevel level) const override { return level >= LogLevel::warn; }
};

struct Console {
  os::PosixFileSystem files;
  os::SystemClock clock;
  Warnings log;
  os::ProcessExit process{log};
  env::NullMetrics metrics;
  env::NoFaults faults;
  wal::World wal_world() { return {files, clock, log, metrics, faults}; }
};

}  // namespace holdfast::utl
