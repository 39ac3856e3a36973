// --help, --version and docs/flags.md, made from the table.
#include "apps/holdfast/command_line.h"
#include "apps/holdfast/flag_table.h"
#include "apps/holdfast/go_values.h"
#include "apps/holdfast/version.h"
#include "fmt/format.h"

namespace holdfast::config {
namespace {

constexpr Group kGroups[] = {Group::member,  Group::clustering, Group::security,
                             Group::auth,    Group::profiling,  Group::logging,
                             Group::tracing, Group::features,   Group::unsafe};

std::string_view type_name(const Flag& flag) {
  constexpr std::string_view kNames[] = {"bool",     "number", "number",        "number",
                                         "text",     "duration", "URLs",        "gates",
                                         "list",     "list",   "origins",       "word"};
  static_assert(std::size(kNames) == std::variant_size_v<Field>);
  return kNames[flag.field.index()];
}

std::string shown_default(const Flag& flag) {
  return flag.name == "data-dir" ? "${name}.etcd" : std::string(flag.default_text);
}

std::string_view support_text(Support support) {
  switch (support) {
    case Support::built: return "yes";
    case Support::planned: return "not yet";
    case Support::no_effect: return "no effect";
  }
  return "";
}

std::string flag_lines(const Flag& flag) {
  std::string text = fmt::format("  --{} '{}'\n    {}", flag.name, shown_default(flag), flag.help);
  if (!flag.unit.empty()) text += fmt::format(" [{}]", flag.unit);
  if (flag.support == Support::planned) text += " (Not supported yet: only the default is taken.)";
  text += "\n";
  if (flag.name == "feature-gates")
    for (const std::string& line : FeatureGates::known_features())
      text += fmt::format("    {}\n", line);
  return text;
}

}  // namespace

std::string usage_text() {
  return R"(Usage:

  holdfast [flags]
    Start a member.

  holdfast --version
    Show the version of Holdfast and the version of etcd that it matches.

  holdfast -h | --help
    Show all flags.

  holdfast --config-file
    Read the settings from a YAML or JSON file; flags and environment are then ignored.
    Durations in the file are integer nanoseconds (600000000000 for 10m).
)";
}

std::string flags_text() {
  std::string text;
  for (const Group group : kGroups) {
    text += fmt::format("\n{}:\n", heading(group));
    for (const Flag& flag : flag_table())
      if (flag.group == group) text += flag_lines(flag);
  }
  return text;
}

std::string flags_markdown() {
  std::string text = R"(# Flags of `holdfast`

Made from the table in `apps/holdfast/flag_table.cc`; the test `config_help_test` compares this page with it and rewrites
it when run with `HOLDFAST_REWRITE=1`. Every flag can be given as `--name value`, `--name=value`, with one dash or two, as
environment variable (`ETCD_` + upper-case name, `-` as `_`), or in `--config-file`. "not yet" means: known by name, and
refused unless it has its default value.
)";
  for (const Group group : kGroups) {
    text += fmt::format(
        "\n## {}\n\n| flag | type | default | unit | built | meaning |\n|---|---|---|---|---|---|\n",
        heading(group));
    for (const Flag& flag : flag_table())
      if (flag.group == group)
        text += fmt::format("| `--{}` | {} | `{}` | {} | {} | {} |\n", flag.name, type_name(flag),
                            shown_default(flag), flag.unit, support_text(flag.support), flag.help);
  }
  text += "\n## Feature gates\n\nFor `--feature-gates`:\n\n```\n";
  for (const std::string& line : FeatureGates::known_features()) text += line + "\n";
  text += "```\n";
  return text;
}

std::string version_text() {
  return fmt::format(
      "holdfast Version: {}\netcd Version: {}\nGit SHA: {}\nCompiler: {}\nOS/Arch: {}\n",
      kHoldfastVersion, kEtcdVersion, git_sha(), compiler(), kPlatform);
}

}  // namespace holdfast::config
