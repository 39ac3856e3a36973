#include "apps/holdfast/config_file.h"

#include <algorithm>
#include <optional>

#include "apps/holdfast/flag_table.h"
#include "apps/holdfast/go_values.h"
#include "apps/holdfast/overloaded.h"
#include "base/text.h"
#include "fmt/format.h"
#include "yaml-cpp/yaml.h"

namespace holdfast::config {
namespace {

std::string_view kind_of(const YAML::Node& node) {
  if (node.IsMap()) return "object";
  if (node.IsSequence()) return "array";
  return node.Tag() == "!" ? "string" : "scalar";
}

absl::Status type_error(const YAML::Node& node, std::string_view key, std::string_view type) {
  return absl::InvalidArgumentError(fmt::format(
      "error unmarshaling JSON: while decoding JSON: json: cannot unmarshal {} into Go struct field "
      "configYAML.{} of type {}",
      kind_of(node), key, type));
}

// A scalar that was not quoted: only those are numbers and bools.
bool is_plain(const YAML::Node& node) { return node.IsScalar() && node.Tag() != "!"; }

std::optional<bool> yaml_bool(const YAML::Node& node) {
  if (!is_plain(node)) return std::nullopt;
  const std::string& text = node.Scalar();
  const std::string lower = ascii_lower(text);
  // YAML 1.1 takes a word in lower case, in upper case and capitalised.
  const bool capitals = std::all_of(text.begin() + (text.empty() ? 0 : 1), text.end(),
                                    [](char c) { return c >= 'A' && c <= 'Z'; });
  const bool small = text.substr(text.empty() ? 0 : 1) == lower.substr(lower.empty() ? 0 : 1);
  if (!capitals && !small) return std::nullopt;
  for (std::string_view word : {"true", "yes", "on", "y"})
    if (lower == word) return true;
  for (std::string_view word : {"false", "no", "off", "n"})
    if (lower == word) return false;
  return std::nullopt;
}

// Sets `to` from a plain integer scalar of at most `bits` bits.
template <class Int>
absl::Status set_integer(Int& to, const YAML::Node& node, std::string_view key,
                         std::string_view type) {
  if (!is_plain(node)) return type_error(node, key, type);
  if constexpr (std::is_signed_v<Int>) {
    const auto value = parse_go_int(node.Scalar());
    if (!value.ok()) return type_error(node, key, type);
    to = *value;
  } else {
    const auto value = parse_go_uint(node.Scalar(), sizeof(Int) * 8);
    if (!value.ok()) return type_error(node, key, type);
    to = static_cast<Int>(*value);
  }
  return absl::OkStatus();
}

absl::Status set_texts(std::vector<std::string>& to, const YAML::Node& node, const Flag& flag,
                       Config& config) {
  if (node.IsScalar())  // host-whitelist is one text in etcd's files; the other lists may be as well
    return set_from_text(flag, node.Scalar(), config);
  if (!node.IsSequence()) return type_error(node, flag.name, "[]string");
  std::vector<std::string> texts;
  for (const YAML::Node& element : node) {
    if (!element.IsScalar()) return type_error(element, flag.name, "string");
    texts.push_back(element.Scalar());
  }
  to = std::move(texts);
  return absl::OkStatus();
}

// Values that the command line gives as text, and the file too.
absl::Status set_as_text(const YAML::Node& node, const Flag& flag, Config& config) {
  if (!node.IsScalar()) return type_error(node, flag.name, "string");
  if (node.Scalar().empty()) return absl::OkStatus();
  if (auto status = set_from_text(flag, node.Scalar(), config); !status.ok())
    return absl::InvalidArgumentError(fmt::format("unexpected error setting up {}: {}", flag.name,
                                                  std::string(status.message())));
  return absl::OkStatus();
}

absl::Status set_from_node(const Flag& flag, const YAML::Node& node, Config& config) {
  if (node.IsNull()) return absl::OkStatus();
  return std::visit(
      Overloaded{
          [&](bool& (*get)(Config&)) {
            const auto value = yaml_bool(node);
            if (!value) return type_error(node, flag.name, "bool");
            get(config) = *value;
            return absl::OkStatus();
          },
          [&](uint32_t& (*get)(Config&)) {
            return set_integer(get(config), node, flag.name, "uint32");
          },
          [&](uint64_t& (*get)(Config&)) {
            return set_integer(get(config), node, flag.name, "uint");
          },
          [&](int64_t& (*get)(Config&)) {
            return set_integer(get(config), node, flag.name, "int64");
          },
          [&](env::Duration& (*get)(Config&)) {
            int64_t nanoseconds = 0;
            auto status = set_integer(nanoseconds, node, flag.name, "time.Duration");
            if (status.ok()) get(config) = env::Duration(nanoseconds);
            return status;
          },
          [&](std::string& (*get)(Config&)) {
            if (!node.IsScalar()) return type_error(node, flag.name, "string");
            get(config) = node.Scalar();
            return absl::OkStatus();
          },
          [&](const Choice& choice) {  // checked by validate(), where etcd checks it
            if (!node.IsScalar()) return type_error(node, flag.name, "string");
            if (!node.Scalar().empty()) choice.get(config) = node.Scalar();
            return absl::OkStatus();
          },
          [&](const SortedTexts& field) { return set_texts(field.get(config), node, flag, config); },
          [&](const OrderedTexts& field) {
            return set_texts(field.get(config), node, flag, config);
          },
          [&](FeatureGates& (*get)(Config&)) {
            if (!node.IsScalar()) return type_error(node, flag.name, "string");
            return get(config).set(node.Scalar());
          },
          [&](auto&&) { return set_as_text(node, flag, config); }},
      flag.field);
}

std::string_view file_key(const Flag& flag) {
  return flag.file_key.empty() ? flag.name : flag.file_key;
}

// Walks the maps of the file beside the table's paths: the depth is bounded by the table, not by the file.
absl::Status apply_map(const YAML::Node& map, const std::string& prefix, Config& config) {
  for (const auto& entry : map) {
    if (!entry.first.IsScalar()) continue;
    const std::string path = prefix + ascii_lower(entry.first.Scalar());
    const std::string section = path + "/";
    bool is_section = false;
    const Flag* found = nullptr;
    for (const Flag& flag : flag_table()) {
      const std::string_view key = file_key(flag);
      if (key == path) found = &flag;
      is_section = is_section || key.substr(0, section.size()) == section;
    }
    if (found != nullptr) {
      if (auto status = set_from_node(*found, entry.second, config); !status.ok()) return status;
      config.explicitly_set.emplace(found->name);
    } else if (is_section && entry.second.IsMap()) {
      if (auto status = apply_map(entry.second, section, config); !status.ok()) return status;
    } else if (is_section && !entry.second.IsNull()) {
      return absl::InvalidArgumentError(fmt::format("invalid {}", path));
    }
  }
  return absl::OkStatus();
}

// What the file's form says beyond single values (etcd embed/config.go configFromFile).
void settle(Config& config) {
  const bool found_otherwise =
      !config.discovery.srv_domain.empty() || !config.discovery.endpoints.empty();
  if (found_otherwise && config.initial_cluster == find_flag("initial-cluster")->default_text)
    config.initial_cluster.clear();
  if (config.self_signed_cert_validity_years == 0) config.self_signed_cert_validity_years = 1;
}

}  // namespace

absl::Status apply_config_file(std::string_view text, Config& config) {
  try {
    const YAML::Node root = YAML::Load(std::string(text));
    if (root.IsNull()) return absl::OkStatus();
    if (!root.IsMap())
      return absl::InvalidArgumentError(fmt::format(
          "error unmarshaling JSON: while decoding JSON: json: cannot unmarshal {} into Go value of "
          "type embed.configYAML",
          kind_of(root)));
    if (auto status = apply_map(root, "", config); !status.ok()) return status;
  } catch (const YAML::Exception& error) {
    return absl::InvalidArgumentError(
        fmt::format("error converting YAML to JSON: yaml: {}", error.what()));
  }
  settle(config);
  return absl::OkStatus();
}

absl::StatusOr<LogRotation> parse_log_rotation(std::string_view json) {
  const auto improper = [](std::string_view why) {
    return absl::InvalidArgumentError(
        fmt::format("improperly formatted log rotation config: {}", why));
  };
  const size_t begin = json.find_first_not_of(" \t\r\n");
  const size_t end = json.find_last_not_of(" \t\r\n");
  if (begin == std::string_view::npos) return improper("unexpected end of JSON input");
  if (json[begin] != '{') return improper("invalid character looking for beginning of value");
  if (json[end] != '}') return improper("unexpected end of JSON input");
  LogRotation rotation;
  try {
    const YAML::Node root = YAML::Load(std::string(json));
    if (!root.IsMap()) return improper("invalid character looking for beginning of value");
    for (const auto& entry : root) {
      if (!entry.first.IsScalar()) return improper("invalid character looking for object key");
      const std::string key = ascii_lower(entry.first.Scalar());
      absl::Status status;
      const auto set_flag = [&](bool& to) {
        const auto value = yaml_bool(entry.second);
        if (value) to = *value;
        else status = absl::InvalidArgumentError("");
      };
      const auto set_number = [&](int64_t& to) {
        status = set_integer(to, entry.second, key, "int");
      };
      if (key == "maxsize") set_number(rotation.size_megabytes_max);
      if (key == "maxage") set_number(rotation.age_days_max);
      if (key == "maxbackups") set_number(rotation.backups_max);
      if (key == "localtime") set_flag(rotation.local_time);
      if (key == "compress") set_flag(rotation.compress);
      if (!status.ok()) {
        const std::string_view kind =
            yaml_bool(entry.second) ? std::string_view("bool") : kind_of(entry.second);
        return absl::InvalidArgumentError(
            fmt::format("invalid log rotation config: json: cannot unmarshal {} into Go struct field "
                        "logRotationConfig.Logger.{} of type {}",
                        kind, key, key[0] == 'm' ? "int" : "bool"));
      }
    }
  } catch (const YAML::Exception& error) {
    return improper(error.what());
  }
  return rotation;
}

}  // namespace holdfast::config
