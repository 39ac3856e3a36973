// Raft's log lines, passed on to the member's log.
#pragma once

#include "base/log.h"
#include "raft/logger.h"

namespace holdfast::server {

class RaftLog : public raft::Logger {
 public:
  explicit RaftLog(holdfast::Logger& log) : log_(log) {}

  bool enabled(raft::LogLevel level) const override { return log_.enabled(translate(level)); }
  void write(raft::LogLevel level, std::string_view line) override {
    log_.write(translate(level), line, {}, "raft", 0);
  }

 private:
  static holdfast::LogLevel translate(raft::LogLevel level) {
    switch (level) {
      case raft::LogLevel::debug: return holdfast::LogLevel::debug;
      case raft::LogLevel::info: return holdfast::LogLevel::info;
      case raft::LogLevel::warning: return holdfast::LogLevel::warn;
      case raft::LogLevel::error: return holdfast::LogLevel::error;
      case raft::LogLevel::fatal: return holdfast::LogLevel::fatal;
    }
    return holdfast::LogLevel::info;
  }
  holdfast::Logger& log_;
};

}  // namespace holdfast::server
