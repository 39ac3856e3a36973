#include "apps/holdfast/command_line.h"

#include <algorithm>
#include <map>
#include <optional>
#include <set>
#include <variant>

#include "apps/holdfast/config_file.h"
#include "apps/holdfast/flag_table.h"
#include "apps/holdfast/go_values.h"
#include "apps/holdfast/validate.h"
#include "base/go_text.h"
#include "fmt/format.h"

namespace holdfast::config {
namespace {

using Arguments = std::vector<std::string>;
constexpr env::Duration kRaftTimeoutMin = std::chrono::seconds(5);  // FLG-11

bool is_ignored(std::string_view name) {
  const auto ignored = ignored_flags();
  return std::find(ignored.begin(), ignored.end(), name) != ignored.end();
}

Outcome leave(Outcome outcome, int exit_code) {
  outcome.next = Outcome::Next::leave;
  outcome.exit_code = exit_code;
  return outcome;
}

// Go's package flag: the error, then the usage, exit code 2.
struct FlagError {
  std::string text;
};

enum class Special : uint8_t { none, help, version };

struct Parsed {
  Special special = Special::none;
  std::string stray;  // the first argument that is no flag
  bool has_stray = false;
};

// One "-name", "--name", "-name=value" or "-name value", as Go's flag package takes it.
class FlagScanner {
 public:
  FlagScanner(const Arguments& arguments, Config& config) : arguments_(arguments), config_(config) {}

  std::variant<Parsed, FlagError> run() {
    while (next_ < arguments_.size()) {
      const std::string& argument = arguments_[next_];
      if (argument.size() < 2 || argument[0] != '-') break;
      ++next_;
      if (argument == "--") break;
      if (auto error = take(argument)) return *error;
      if (parsed_.special == Special::help) return parsed_;
    }
    if (next_ < arguments_.size()) {
      parsed_.has_stray = true;
      parsed_.stray = arguments_[next_];
    }
    return parsed_;
  }

 private:
  std::optional<FlagError> take(const std::string& argument) {
    std::string_view name = argument;
    name.remove_prefix(argument[1] == '-' ? 2 : 1);
    if (name.empty() || name[0] == '-' || name[0] == '=')
      return FlagError{fmt::format("bad flag syntax: {}", argument)};
    std::optional<std::string> value;
    if (const size_t equal = name.find('='); equal != std::string_view::npos) {
      value = std::string(name.substr(equal + 1));
      name = name.substr(0, equal);
    }
    if (is_ignored(name)) return std::nullopt;
    if (name == "version") return take_version(std::move(value));
    const Flag* flag = find_flag(name);
    if (flag == nullptr) {
      if (name != "help" && name != "h")
        return FlagError{fmt::format("flag provided but not defined: -{}", name)};
      parsed_.special = Special::help;
      return std::nullopt;
    }
    return take_value(*flag, std::move(value));
  }

  std::optional<FlagError> take_version(std::optional<std::string> value) {
    const auto on = parse_go_bool(value.value_or("true"));
    if (!on.ok())
      return FlagError{
          fmt::format("invalid boolean value {} for -version: parse error", go_quote(*value))};
    parsed_.special = *on ? Special::version : Special::none;
    return std::nullopt;
  }

  std::optional<FlagError> take_value(const Flag& flag, std::optional<std::string> value) {
    if (!value && is_bool(flag)) value = "true";
    if (!value && next_ < arguments_.size()) value = arguments_[next_++];
    if (!value) return FlagError{fmt::format("flag needs an argument: -{}", flag.name)};
    if (auto status = set_from_text(flag, *value, config_); !status.ok())
      return FlagError{fmt::format("invalid {}value {} for {}-{}: {}",
                                   is_bool(flag) ? "boolean " : "", go_quote(*value),
                                   is_bool(flag) ? "" : "flag ", flag.name,
                                   std::string(status.message()))};
    config_.explicitly_set.emplace(flag.name);
    return std::nullopt;
  }

  const Arguments& arguments_;
  Config& config_;
  Parsed parsed_;
  size_t next_ = 0;
};

std::string environment_value(const Surroundings& surroundings, std::string_view name) {
  for (const auto& [key, value] : surroundings.environment)
    if (key == name) return value;
  return "";
}

// ETCD_* variables (FLG-02). A flag and its variable both given is an error, even when they agree.
absl::Status apply_environment(const Surroundings& surroundings, Config& config,
                               std::vector<Notice>& notices) {
  std::map<std::string, const Flag*> by_variable;
  for (const Flag& flag : flag_table()) by_variable[environment_name(flag.name)] = &flag;
  std::set<std::string> ignored;
  for (std::string_view name : ignored_flags()) ignored.insert(environment_name(name));

  std::map<std::string, std::string> variables(surroundings.environment.begin(),
                                               surroundings.environment.end());
  if (auto found = variables.find("ETCD_VERSION"); found != variables.end()) {
    if (!found->second.empty())
      notices.push_back({LogLevel::warn,
                         "cannot set special environment variable",
                         {{"key", found->first}, {"value", found->second}}});
    variables.erase(found);
  }
  absl::Status failure;
  std::vector<std::string> unrecognized;
  for (const auto& [variable, value] : variables) {
    if (variable.rfind("ETCD_", 0) != 0) continue;
    const auto known = by_variable.find(variable);
    if (known != by_variable.end() &&
        config.explicitly_set.count(std::string(known->second->name)) > 0)
      return absl::InvalidArgumentError(fmt::format(
          "conflicting environment variable is shadowed by corresponding command-line flag (either "
          "unset environment variable or disable flag)): {}",
          variable));
    if (value.empty() || (known == by_variable.end() && ignored.count(variable) == 0)) {
      unrecognized.push_back(fmt::format("{}={}", variable, value));
      continue;
    }
    if (known == by_variable.end()) continue;
    const Flag& flag = *known->second;
    if (auto status = set_from_text(flag, value, config); !status.ok()) {
      failure = absl::InvalidArgumentError(fmt::format("invalid value {} for {}: {}",
                                                       go_quote(value), variable,
                                                       std::string(status.message())));
      continue;
    }
    notices.push_back({LogLevel::info,
                       "recognized and used environment variable",
                       {{"variable-name", variable}, {"variable-value", value}}});
    config.explicitly_set.emplace(flag.name);
  }
  for (const std::string& variable : unrecognized)
    notices.push_back({LogLevel::warn,
                       "unrecognized environment variable",
                       {{"environment-variable", variable}}});
  return failure;
}

// FLG-08: where etcd isn't tested it wants to be asked for by name, and so do we. The variable is then used up.
bool is_supported(Surroundings& surroundings, std::vector<Notice>& notices) {
  static constexpr std::string_view kVariable = "ETCD_UNSUPPORTED_ARCH";
  const std::string& arch = surroundings.architecture;
  for (std::string_view supported : {"amd64", "arm64", "ppc64le", "s390x"})
    if (arch == supported) return true;
  const bool wanted = environment_value(surroundings, kVariable) == arch;
  std::erase_if(surroundings.environment, [](const auto& variable) { return variable.first == kVariable; });
  if (wanted)
    notices.push_back({LogLevel::info,
                       "running etcd on unsupported architecture since ETCD_UNSUPPORTED_ARCH is set",
                       {{"arch", arch}}});
  else
    notices.push_back({LogLevel::error,
                       "Refusing to run etcd on unsupported architecture since ETCD_UNSUPPORTED_ARCH is not set",
                       {{"arch", arch}}});
  return wanted;
}

void raise_raft_timeout(env::Duration& timeout, std::string_view name,
                        std::vector<Notice>& notices) {
  if (timeout >= kRaftTimeoutMin) return;
  timeout = kRaftTimeoutMin;
  notices.push_back({LogLevel::info,
                     fmt::format("{} increased to minimum value: {}", name,
                                 go_duration(kRaftTimeoutMin)),
                     {}});
}

// What follows from flags given together (etcd main/config.go configFromCmdLine).
void settle_command_line(Config& config, std::vector<Notice>& notices) {
  raise_raft_timeout(config.raft_read_timeout, "raft-read-timeout", notices);
  raise_raft_timeout(config.raft_write_timeout, "raft-write-timeout", notices);
  const auto given = [&](const char* name) { return config.explicitly_set.count(name) > 0; };
  if (given("listen-client-urls") && !given("advertise-client-urls"))
    config.advertise_client_urls.clear();
  const Discovery& discovery = config.discovery;
  const bool discovers = !discovery.srv_domain.empty() || !discovery.srv_name.empty() ||
                         !discovery.endpoints.empty();
  if (discovers && !given("initial-cluster")) config.initial_cluster.clear();
}

absl::Status read_file_settings(Surroundings& surroundings, const std::string& path,
                                Config& config) {
  const auto text = surroundings.read_file(path);
  if (!text.ok()) return text.status();
  if (text->size() > kConfigFileBytesMax)
    return absl::InvalidArgumentError(fmt::format(
        "config file {} has {} bytes, more than {}", path, text->size(), kConfigFileBytesMax));
  config = default_config();
  config.config_file = path;
  return apply_config_file(*text, config);
}

void note_deprecated_flags(const Config& config, std::vector<Notice>& notices) {
  if (config.explicitly_set.count("max-snapshots") > 0)
    notices.push_back({LogLevel::warn,
                       "--max-snapshots is deprecated in 3.6 and will be decommissioned in 3.8.",
                       {}});
  if (config.explicitly_set.count("v2-deprecation") > 0)
    notices.push_back({LogLevel::warn,
                       "--v2-deprecation is deprecated and scheduled for removal in v3.8. The "
                       "default value is enforced, ignoring user input.",
                       {}});
}

void enforce_fixed_values(Config& config) {
  config.v2_deprecation = find_flag("v2-deprecation")->default_text;
  if (config.warning_unary_request_duration.count() == 0)
    config.warning_unary_request_duration = std::chrono::milliseconds(300);
}

bool is_single_default(const std::vector<Url>& urls, std::string_view flag_name) {
  return urls.size() == 1 && urls[0].text() == find_flag(flag_name)->default_text;
}

// FLG-07: a member that listens on all addresses but advertises localhost would be useless to others; and whoever
// gives only a name means the cluster of that member.
void settle_defaults(Config& config, const Surroundings& surroundings,
                     std::vector<Notice>& notices) {
  const bool has_host = surroundings.default_host.ok();
  bool host_used = false;
  const auto advertise_host = [&](std::vector<Url>& advertised, std::string_view flag_name,
                                  const std::vector<Url>& listened) {
    if (!has_host || listened.empty() || listened[0].hostname() != "0.0.0.0") return;
    if (!is_single_default(advertised, flag_name)) return;
    advertised[0].host = fmt::format("{}:{}", *surroundings.default_host, listened[0].port());
    host_used = true;
  };
  advertise_host(config.initial_advertise_peer_urls, "initial-advertise-peer-urls",
                 config.listen_peer_urls);
  if (config.name != "default" &&
      config.initial_cluster == find_flag("initial-cluster")->default_text) {
    const std::string name = config.name.empty() ? "default" : config.name;
    std::vector<std::string> pairs;
    for (const Url& url : config.initial_advertise_peer_urls)
      pairs.push_back(fmt::format("{}={}", name, url.text()));
    config.initial_cluster = fmt::format("{}", fmt::join(pairs, ","));
  }
  advertise_host(config.advertise_client_urls, "advertise-client-urls", config.listen_client_urls);
  if (host_used)
    notices.push_back({LogLevel::info,
                       "detected default host for advertise",
                       {{"host", *surroundings.default_host}}});
  if (!has_host)
    notices.push_back({LogLevel::info,
                       "failed to detect default host",
                       {{"error", std::string(surroundings.default_host.status().message())}}});
  if (config.data_dir.empty()) {
    config.data_dir = config.name + ".etcd";
    notices.push_back({LogLevel::warn,
                       "'data-dir' was empty; using default",
                       {{"data-dir", config.data_dir}}});
  }
}

// Everything after the flags were read. Refusals end up in the log as etcd's "failed to verify flags".
absl::Status complete(Surroundings& surroundings, Outcome& outcome) {
  Config& config = outcome.config;
  if (config.config_file.empty())
    config.config_file = environment_value(surroundings, "ETCD_CONFIG_FILE");
  const bool from_file = !config.config_file.empty();
  absl::Status status;
  if (from_file) {
    status = read_file_settings(surroundings, std::string(config.config_file), config);
  } else {
    status = apply_environment(surroundings, config, outcome.notices);
    settle_command_line(config, outcome.notices);
  }
  if (!status.ok()) return status;
  status = validate_logging(config);
  outcome.log_settings_valid = status.ok();
  if (!status.ok()) return status;
  if (from_file)
    outcome.notices.push_back(
        {LogLevel::info,
         "loaded server configuration, other configuration command line flags and environment "
         "variables will be ignored if provided",
         {{"path", config.config_file}}});
  if (status = validate(config, outcome.notices); !status.ok()) return status;
  enforce_fixed_values(config);
  note_deprecated_flags(config, outcome.notices);
  return refuse_unbuilt(config);
}

}  // namespace

Outcome read_configuration(const Arguments& arguments, Surroundings& surroundings) {
  Outcome outcome;
  outcome.config = default_config();
  if (!is_supported(surroundings, outcome.notices)) return leave(std::move(outcome), 1);
  if (!arguments.empty() && (arguments[0] == "gateway" || arguments[0] == "grpc-proxy")) {
    outcome.to_stderr =
        fmt::format("holdfast {} is not supported by this version of holdfast yet\n", arguments[0]);
    return leave(std::move(outcome), 1);
  }
  const auto scanned = FlagScanner(arguments, outcome.config).run();
  if (const auto* error = std::get_if<FlagError>(&scanned)) {
    outcome.to_stderr = error->text + "\n" + usage_text();
    return leave(std::move(outcome), 2);
  }
  const Parsed& parsed = std::get<Parsed>(scanned);
  if (parsed.special == Special::help) {
    outcome.to_stderr = usage_text();
    outcome.to_stdout = flags_text();
    return leave(std::move(outcome), 0);
  }
  absl::Status status;
  if (parsed.has_stray) {
    status = absl::InvalidArgumentError(
        fmt::format("{} is not a valid flag", go_quote(parsed.stray)));
  } else if (parsed.special == Special::version) {
    outcome.to_stdout = version_text();
    return leave(std::move(outcome), 0);
  } else {
    status = complete(surroundings, outcome);
  }
  std::vector<std::string> args = {"holdfast"};
  args.insert(args.end(), arguments.begin(), arguments.end());
  outcome.notices.push_back({LogLevel::info, "Running: ", {{"args", args}}});
  if (!status.ok()) {
    outcome.notices.push_back({LogLevel::warn,
                               "failed to verify flags",
                               {{"error", std::string(status.message())}}});
    return leave(std::move(outcome), 1);
  }
  settle_defaults(outcome.config, surroundings, outcome.notices);
  return outcome;
}

}  // namespace holdfast::config
