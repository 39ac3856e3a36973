// Where raft's log lines go. The lines themselves are etcd's, letter for letter: people and tools
// grep for them.
#pragma once

#include <string_view>
#include <utility>

#include "base/check.h"
#include "fmt/core.h"

namespace holdfast::raft {

enum class LogLevel { debug, info, warning, error, fatal };

class Logger {
 public:
  virtual ~Logger() = default;

  // Called on the node's thread, before a line is put together.
  virtual bool enabled(LogLevel level) const = 0;
  // One line without its end. fatal means that the process is about to end.
  virtual void write(LogLevel level, std::string_view line) = 0;

  template <class... Args>
  void debug(fmt::format_string<Args...> format, Args&&... args) {
    print(LogLevel::debug, format, std::forward<Args>(args)...);
  }
  template <class... Args>
  void info(fmt::format_string<Args...> format, Args&&... args) {
    print(LogLevel::info, format, std::forward<Args>(args)...);
  }
  template <class... Args>
  void warning(fmt::format_string<Args...> format, Args&&... args) {
    print(LogLevel::warning, format, std::forward<Args>(args)...);
  }
  template <class... Args>
  void error(fmt::format_string<Args...> format, Args&&... args) {
    print(LogLevel::error, format, std::forward<Args>(args)...);
  }
  // A broken invariant: writes the line and ends the process.
  template <class... Args>
  [[noreturn]] void panic(fmt::format_string<Args...> format, Args&&... args) {
    const std::string line = fmt::format(format, std::forward<Args>(args)...);
    write(LogLevel::fatal, line);
    check_failed("raft", 0, "raft invariant", line);
  }

 private:
  template <class... Args>
  void print(LogLevel level, fmt::format_string<Args...> format, Args&&... args) {
    if (enabled(level)) write(level, fmt::format(format, std::forward<Args>(args)...));
  }
};

}  // namespace holdfast::raft
