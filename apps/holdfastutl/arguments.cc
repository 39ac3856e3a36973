#include "apps/holdfastutl/arguments.h"

#include <charconv>
#include <map>
#include <variant>

#include "base/errors.h"
#include "fmt/format.h"

namespace holdfast::utl {

namespace {

using Target = std::variant<std::string*, bool*, uint64_t*, int64_t*>;

std::map<std::string, Target, std::less<>> flags_of(Line& line) {
  return {{"--data-dir", &line.dir.path},
          {"--wal-dir", &line.dir.wal_dir},
          {"-w", &line.format},
          {"--write-out", &line.format},
          {"--rev", &line.revision},
          {"--timeout", &line.timeout},
          {"--initial-memory-map-size", &line.initial_map_bytes},
          {"--name", &line.restore.name},
          {"--initial-cluster", &line.restore.initial_cluster},
          {"--initial-cluster-token", &line.restore.token},
          {"--initial-advertise-peer-urls", &line.restore.advertise_peer_urls},
          {"--skip-hash-check", &line.restore.skip_hash_check},
          {"--bump-revision", &line.restore.bump_revision},
          {"--mark-compacted", &line.restore.mark_compacted}};
}

absl::Status invalid(std::string_view text) { return make_status(absl::StatusCode::kInvalidArgument, text); }

bool assign(std::string* target, const std::string& value) {
  *target = value;
  return true;
}
bool assign(bool* target, const std::string& value) {
  *target = value == "true";
  return value == "true" || value == "false";
}
template <class Number>
bool assign(Number* target, const std::string& value) {
  const auto parsed = std::from_chars(value.data(), value.data() + value.size(), *target);
  return parsed.ec == std::errc() && parsed.ptr == value.data() + value.size();
}

}  // namespace

absl::StatusOr<Line> parse_arguments(const std::vector<std::string>& arguments) {
  Line line;
  const auto flags = flags_of(line);
  for (size_t i = 0; i < arguments.size(); ++i) {
    std::string name = arguments[i];
    if (!name.starts_with('-')) {
      line.words.push_back(name);
      continue;
    }
    std::string value;
    const size_t equals = name.find('=');
    if (equals != std::string::npos) {
      value = name.substr(equals + 1);
      name.resize(equals);
    }
    const auto flag = flags.find(name);
    if (flag == flags.end()) return invalid(fmt::format("unknown flag: {}", name));
    if (equals == std::string::npos) {
      if (std::holds_alternative<bool*>(flag->second))
        value = "true";
      else if (++i < arguments.size())
        value = arguments[i];
      else
        return invalid(fmt::format("flag needs an argument: {}", name));
    }
    if (!std::visit([&](auto* target) { return assign(target, value); }, flag->second))
      return invalid(fmt::format("invalid argument \"{}\" for \"{}\" flag", value, name));
  }
  return line;
}

}  // namespace holdfast::utl
