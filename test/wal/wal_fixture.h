// What the tests of the log share: a world without time, and logs that are easy to make.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/errors.h"
#include "base/log.h"
#include "env/clock.h"
#include "env/fault_points.h"
#include "env/metrics.h"
#include "wal/wal.h"

namespace holdfast::wal {

class FixedClock : public env::Clock {
 public:
  env::Instant now() const override { return {now_ns}; }
  int64_t unix_nanoseconds() const override { return now_ns; }
  int64_t now_ns = 0;
};

class LinesLogger : public Logger {
 public:
  void write(LogLevel level, std::string_view message, const std::vector<LogField>& fields,
             const char*, int) override {
    std::string line(to_string(level));
    line.append(" ").append(message);
    for (const LogField& f : fields) line.append(" ").append(f.name).append("=").append(f.json);
    lines.push_back(line);
  }
  bool enabled(LogLevel) const override { return true; }
  bool has(std::string_view text) const {
    for (const std::string& line : lines)
      if (line.find(text) != std::string::npos) return true;
    return false;
  }
  std::vector<std::string> lines;
};

// A world over `files`; everything else is harmless and owned here.
struct TestWorld {
  explicit TestWorld(env::FileSystem& files) : world{files, clock, logger, metrics, faults} {}
  FixedClock clock;
  LinesLogger logger;
  env::NullMetrics metrics;
  env::NoFaults faults;
  World world;
};

inline raft::Entry entry(uint64_t index, uint64_t term, std::string_view data) {
  return {Term(term), Index(index), raft::EntryType::normal, false, SharedBytes(data)};
}

inline raft::HardState state(uint64_t term, uint64_t vote, uint64_t commit) {
  return {Term(term), MemberId(vote), Index(commit)};
}

inline SnapshotRecord snapshot(uint64_t index, uint64_t term) {
  return {Index(index), Term(term), raft::ConfState{.voters = {MemberId(1)}}};
}

}  // namespace holdfast::wal
