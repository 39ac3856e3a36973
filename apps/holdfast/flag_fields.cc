// How a value of each kind is read from text and printed.
#include <algorithm>
#include <map>

#include "apps/holdfast/flag_table.h"
#include "apps/holdfast/go_values.h"
#include "apps/holdfast/overloaded.h"
#include "base/check.h"
#include "base/go_text.h"
#include "fmt/format.h"

namespace holdfast::config {
namespace {

std::vector<std::string> split(std::string_view text, char separator) {
  std::vector<std::string> parts;
  while (true) {
    const size_t at = text.find(separator);
    parts.emplace_back(text.substr(0, at));
    if (at == std::string_view::npos) return parts;
    text.remove_prefix(at + 1);
  }
}

void sort_and_deduplicate(std::vector<std::string>& texts) {
  std::sort(texts.begin(), texts.end());
  texts.erase(std::unique(texts.begin(), texts.end()), texts.end());
}

template <class To, class From>
absl::Status assign(To& to, absl::StatusOr<From> from) {
  if (!from.ok()) return from.status();
  to = static_cast<To>(*std::move(from));
  return absl::OkStatus();
}

// Go's own uint32 flag value hands strconv's error through.
absl::Status set_uint32(uint32_t& to, std::string_view text) {
  const auto value = parse_go_uint(text, 32);
  if (!value.ok())
    return absl::InvalidArgumentError(fmt::format(
        "strconv.ParseUint: parsing {}: {}", go_quote(text),
        absl::IsOutOfRange(value.status()) ? "value out of range" : "invalid syntax"));
  to = static_cast<uint32_t>(*value);
  return absl::OkStatus();
}

absl::Status set_duration(env::Duration& to, std::string_view text) {
  const auto value = parse_go_duration(text);
  if (!value.ok()) return absl::InvalidArgumentError("parse error");
  to = *value;
  return absl::OkStatus();
}

// An empty list leaves the default, as etcd's does.
absl::Status set_urls(std::vector<Url>& to, std::string_view text) {
  if (text.empty()) return absl::OkStatus();
  return assign(to, parse_urls(text));
}

absl::Status set_origins(std::vector<std::string>& to, std::string_view text) {
  if (text == "*") {
    to = {"*"};
    return absl::OkStatus();
  }
  auto urls = parse_urls(text);
  if (!urls.ok()) return urls.status();
  to = url_texts(*urls);
  return absl::OkStatus();
}

absl::Status set_choice(const Choice& choice, std::string_view text, Config& config) {
  const auto words = split(choice.words, '|');
  const auto is_word = [&words](std::string_view word) {
    return std::find(words.begin(), words.end(), word) != words.end();
  };
  if (choice.several) {
    for (const std::string& word : split(text, ','))
      if (!is_word(word)) return absl::InvalidArgumentError("invalid value " + go_quote(word));
  } else if (!is_word(text)) {
    return absl::InvalidArgumentError("invalid value");
  }
  choice.get(config) = text;
  return absl::OkStatus();
}

}  // namespace

const Flag* find_flag(std::string_view name) {
  // The table is small and searched only at the start of the process.
  for (const Flag& flag : flag_table())
    if (flag.name == name) return &flag;
  return nullptr;
}

absl::Status set_from_text(const Flag& flag, std::string_view text, Config& config) {
  return std::visit(
      Overloaded{
          [&](bool& (*get)(Config&)) { return assign(get(config), parse_go_bool(text)); },
          [&](uint32_t& (*get)(Config&)) { return set_uint32(get(config), text); },
          [&](uint64_t& (*get)(Config&)) { return assign(get(config), parse_go_uint(text, 64)); },
          [&](int64_t& (*get)(Config&)) { return assign(get(config), parse_go_int(text)); },
          [&](std::string& (*get)(Config&)) {
            get(config) = text;
            return absl::OkStatus();
          },
          [&](env::Duration& (*get)(Config&)) { return set_duration(get(config), text); },
          [&](std::vector<Url>& (*get)(Config&)) { return set_urls(get(config), text); },
          [&](FeatureGates& (*get)(Config&)) { return get(config).set(text); },
          [&](const SortedTexts& field) {
            auto& texts = field.get(config) = split(text, ',');
            sort_and_deduplicate(texts);
            return absl::OkStatus();
          },
          [&](const OrderedTexts& field) {
            field.get(config) = split(text, ',');
            return absl::OkStatus();
          },
          [&](const Origins& field) { return set_origins(field.get(config), text); },
          [&](const Choice& choice) { return set_choice(choice, text, config); }},
      flag.field);
}

std::string value_text(const Flag& flag, const Config& config) {
  Config& c = const_cast<Config&>(config);  // the accessors serve both directions; nothing is written
  return std::visit(
      Overloaded{[&](env::Duration& (*get)(Config&)) { return go_duration(get(c)); },
                 [&](std::string& (*get)(Config&)) { return get(c); },
                 [&](std::vector<Url>& (*get)(Config&)) { return join_urls(get(c)); },
                 [&](FeatureGates& (*get)(Config&)) { return get(c).text(); },
                 [&](const SortedTexts& field) {
                   return fmt::format("{}", fmt::join(field.get(c), ","));
                 },
                 [&](const OrderedTexts& field) {
                   return fmt::format("{}", fmt::join(field.get(c), ","));
                 },
                 [&](const Origins& field) {
                   return fmt::format("{}", fmt::join(field.get(c), ","));
                 },
                 [&](const Choice& choice) { return choice.get(c); },
                 [&](auto get) { return fmt::format("{}", get(c)); }},
      flag.field);
}

bool is_bool(const Flag& flag) { return std::holds_alternative<bool& (*)(Config&)>(flag.field); }

Config default_config() {
  Config config;
  for (const Flag& flag : flag_table()) {
    const bool is_list = std::holds_alternative<SortedTexts>(flag.field) ||
                         std::holds_alternative<OrderedTexts>(flag.field);
    if (is_list && flag.default_text.empty()) continue;  // no element, rather than an empty one
    const absl::Status status = set_from_text(flag, flag.default_text, config);
    CHECK(status.ok(), "default of --{}: {}", flag.name, std::string(status.message()));
  }
  return config;
}

std::string environment_name(std::string_view flag_name) {
  std::string name = "ETCD_";
  for (char c : flag_name)
    name.push_back(c == '-' ? '_' : c >= 'a' && c <= 'z' ? static_cast<char>(c - 32) : c);
  return name;
}

}  // namespace holdfast::config
