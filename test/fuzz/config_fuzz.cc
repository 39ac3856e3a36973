// Flags, environment and config file from arbitrary bytes: no crash, no endless loop, and a member is only ever started
// with a configuration that is valid.
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "apps/holdfast/command_line.h"
#include "apps/holdfast/config_file.h"
#include "apps/holdfast/flag_table.h"
#include "apps/holdfast/validate.h"
#include "base/check.h"

namespace {

using namespace holdfast::config;

std::vector<std::string> lines_of(std::string_view text) {
  std::vector<std::string> lines;
  while (!text.empty()) {
    const size_t end = text.find('\n');
    lines.emplace_back(text.substr(0, end));
    text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
  }
  return lines;
}

void check(Outcome outcome) {
  if (outcome.next == Outcome::Next::leave) return;
  std::vector<Notice> notices;
  CHECK(validate_logging(outcome.config).ok());
  CHECK(validate(outcome.config, notices).ok());
  CHECK(refuse_unbuilt(outcome.config).ok());
  CHECK(outcome.config.election_ticks() >= 5);
  CHECK(!outcome.config.data_dir.empty());
  // What is printed is read back as the same value.
  for (const Flag& flag : flag_table()) {
    const std::string text = value_text(flag, outcome.config);
    Config again = outcome.config;
    if (text.empty() || !set_from_text(flag, text, again).ok()) continue;
    CHECK(value_text(flag, again) == text, "--{}: {}", flag.name, text);
  }
}

Surroundings surroundings_with(std::string file) {
  Surroundings surroundings;
  surroundings.read_file = [file = std::move(file)](const std::string&) {
    return absl::StatusOr<std::string>(file);
  };
  return surroundings;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  const std::string_view input(reinterpret_cast<const char*>(data) + 1, size - 1);
  switch (data[0] % 4) {
    case 0: {
      Surroundings surroundings = surroundings_with("");
      check(read_configuration(lines_of(input), surroundings));
      break;
    }
    case 1: {
      Surroundings surroundings = surroundings_with("");
      for (const std::string& line : lines_of(input)) {
        const size_t equal = line.find('=');
        if (equal != std::string::npos)
          surroundings.environment.emplace_back(line.substr(0, equal), line.substr(equal + 1));
      }
      check(read_configuration({}, surroundings));
      break;
    }
    case 2: {
      Surroundings surroundings = surroundings_with(std::string(input));
      check(read_configuration({"--config-file=x"}, surroundings));
      break;
    }
    case 3: {
      (void)parse_log_rotation(input);
      (void)parse_named_urls(input);
      FeatureGates gates;
      (void)gates.set(input);
      break;
    }
  }
  return 0;
}
