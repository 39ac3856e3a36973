// The one typed table of all flags (STYLE 23). Flags, ETCD_* environment, --config-file, --help and docs/flags.md are
// generated from it.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <variant>

#include "absl/status/status.h"
#include "apps/holdfast/config.h"

namespace holdfast::config {

enum class Support : uint8_t {
  built,
  planned,   // known by name; anything but the default is refused
  no_effect  // accepted and without meaning, as in etcd or because the backend differs
};

enum class Group : uint8_t { member, clustering, security, auth, profiling, logging, tracing, features, unsafe };
std::string_view heading(Group group);

// Lists that etcd de-duplicates and sorts, and lists that it keeps as given.
struct SortedTexts {
  std::vector<std::string>& (*get)(Config&);
};
struct OrderedTexts {
  std::vector<std::string>& (*get)(Config&);
};
// A list of origins, or "*".
struct Origins {
  std::vector<std::string>& (*get)(Config&);
};
// One of a few words, checked while parsing.
struct Choice {
  std::string& (*get)(Config&);
  std::string_view words;  // separated by '|'; the first is the default
  bool several = false;    // of them, separated by commas
};

using Field = std::variant<bool& (*)(Config&), uint32_t& (*)(Config&), uint64_t& (*)(Config&),
                           int64_t& (*)(Config&), std::string& (*)(Config&),
                           env::Duration& (*)(Config&), std::vector<Url>& (*)(Config&),
                           FeatureGates& (*)(Config&), SortedTexts, OrderedTexts, Origins, Choice>;

struct Flag {
  std::string_view name;
  Field field;
  std::string_view default_text;
  std::string_view unit;  // for help and docs: "ms", "bytes", ...; "" where the type says it
  Support support;
  Group group;
  // Where the value stands in the config file: "" under the flag's own name, "-" nowhere, "a/b" nested (FLG-03).
  std::string_view file_key;
  std::string_view help;
};

std::span<const Flag> flag_table();
const Flag* find_flag(std::string_view name);
// etcd's old flags that are still swallowed (FLG-10).
std::span<const std::string_view> ignored_flags();

Config default_config();

// Sets the field from a flag's or an environment variable's text. The error is Go's, without name and value:
// "parse error", "value out of range", "invalid value", or etcd's own.
absl::Status set_from_text(const Flag& flag, std::string_view text, Config& config);
// The value as etcd's flag package would print it.
std::string value_text(const Flag& flag, const Config& config);
bool is_bool(const Flag& flag);

// "ETCD_" + upper case, '-' as '_' (FLG-02).
std::string environment_name(std::string_view flag_name);

}  // namespace holdfast::config
