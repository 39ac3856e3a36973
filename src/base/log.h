// The log façade. A line is a level, a message and typed fields; what becomes of it (zap-like JSON on stderr, console
// text, nothing, a test's vector) is the sink's business. Passed by reference to whoever logs: no global logger.
//
//   log.info("established TCP streaming connection", {{"peer", id}, {"took", Duration}})
#pragma once

#include <cstdint>
#include <initializer_list>
#include <string>
#include <string_view>
#include <vector>

#include "base/types.h"

namespace holdfast {

enum class LogLevel : uint8_t { debug, info, warn, error, panic, fatal };
std::string_view to_string(LogLevel level);

// A field's value is kept already rendered as JSON text.
struct LogField {
  std::string name;
  std::string json;

  LogField(std::string_view n, std::string_view v);
  LogField(std::string_view n, const char* v) : LogField(n, std::string_view(v)) {}
  LogField(std::string_view n, const std::string& v) : LogField(n, std::string_view(v)) {}
  LogField(std::string_view n, bool v);
  LogField(std::string_view n, int v) : LogField(n, static_cast<int64_t>(v)) {}
  LogField(std::string_view n, int64_t v);
  LogField(std::string_view n, uint64_t v);
  LogField(std::string_view n, double v);
  LogField(std::string_view n, const std::vector<std::string>& v);
  // Member and cluster ids are logged as etcd does: lower-case hex text.
  LogField(std::string_view n, MemberId v);
  LogField(std::string_view n, ClusterId v);
  template <class Tag, class Rep>
  LogField(std::string_view n, Strong<Tag, Rep> v) : LogField(n, v.value) {}
};

// Appends `text` as a JSON string literal; bytes that are not UTF-8 become U+FFFD.
void append_json_string(std::string& out, std::string_view text);
// Lower-case hex without leading zeros, as etcd prints ids (parity RAFT-02).
std::string hex_id(uint64_t id);

class Logger {
 public:
  virtual ~Logger() = default;
  // Thread-safe. `file` and `line` are the caller's.
  virtual void write(LogLevel level, std::string_view message,
                     const std::vector<LogField>& fields, const char* file, int line) = 0;
  virtual bool enabled(LogLevel level) const = 0;

  struct Location {
    const char* file;
    int line;
    static Location here(const char* f = __builtin_FILE(), int l = __builtin_LINE()) {
      return {f, l};
    }
  };
  using Fields = std::initializer_list<LogField>;
  void debug(std::string_view m, Fields f = {}, Location l = Location::here()) {
    put(LogLevel::debug, m, f, l);
  }
  void info(std::string_view m, Fields f = {}, Location l = Location::here()) {
    put(LogLevel::info, m, f, l);
  }
  void warn(std::string_view m, Fields f = {}, Location l = Location::here()) {
    put(LogLevel::warn, m, f, l);
  }
  void error(std::string_view m, Fields f = {}, Location l = Location::here()) {
    put(LogLevel::error, m, f, l);
  }
  // Writes the line; ending the process is the caller's decision (see env/process.h).
  void fatal(std::string_view m, Fields f = {}, Location l = Location::here()) {
    put(LogLevel::fatal, m, f, l);
  }

 private:
  void put(LogLevel level, std::string_view m, Fields f, Location l) {
    if (enabled(level)) write(level, m, f, l.file, l.line);
  }
};

class NullLogger : public Logger {
 public:
  void write(LogLevel, std::string_view, const std::vector<LogField>&, const char*, int) override {}
  bool enabled(LogLevel) const override { return false; }
};

}  // namespace holdfast
