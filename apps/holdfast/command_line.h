// From arguments, ETCD_* environment and --config-file to a Config, as etcd's main does it (parity FLG-01..FLG-11).
// Pure but for the file it is handed a reader for. Never writes, never exits: the outcome says what to print and how
// to leave.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "apps/holdfast/config.h"
#include "base/log.h"
#include "base/task.h"

namespace holdfast::config {

// A config file of more bytes than this is refused: every real one has a few thousand.
inline constexpr size_t kConfigFileBytesMax = 1 << 20;

struct Surroundings {
  std::vector<std::pair<std::string, std::string>> environment;  // name, value
  // The whole file, or an error whose message names operation, path and reason.
  UniqueFunction<absl::StatusOr<std::string>(const std::string& path)> read_file;
  std::string architecture = "amd64";  // by Go's name
  // Address of this machine to advertise when it listens on 0.0.0.0; an error if it has none.
  absl::StatusOr<std::string> default_host = absl::NotFoundError("could not find default host");
};

// A line for the log, kept until there is one.
struct Notice {
  LogLevel level;
  std::string message;
  std::vector<LogField> fields;
};

struct Outcome {
  enum class Next : uint8_t { run, leave };
  Next next = Next::run;
  int exit_code = 0;        // when leaving
  std::string to_stdout;
  std::string to_stderr;
  std::vector<Notice> notices;  // in order; logged whether running or leaving
  // Complete and valid when running. When leaving: as far as it went; its log settings are usable if log_settings_valid.
  Config config;
  bool log_settings_valid = false;
};

// Go's name of what this program is built for (runtime.GOARCH).
std::string_view built_for();

// `arguments` without the program's name.
Outcome read_configuration(const std::vector<std::string>& arguments, Surroundings& surroundings);

// What --version prints.
std::string version_text();
// What -h prints: to stderr the usage, to stdout the flags.
std::string usage_text();
std::string flags_text();
// docs/flags.md
std::string flags_markdown();

}  // namespace holdfast::config
