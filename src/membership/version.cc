#include "membership/version.h"

#include <algorithm>
#include <charconv>

#include "base/errors.h"
#include "fmt/format.h"

namespace holdfast::membership {

namespace {

// One number of digits only from the front, and the dot behind it if there is one.
bool take_number(std::string_view& rest, int64_t& number) {
  const size_t end = std::min(rest.find('.'), rest.size());
  const std::string_view digits = rest.substr(0, end);
  if (digits.empty() || digits.find_first_not_of("0123456789") != std::string_view::npos)
    return false;
  const auto [at, error] = std::from_chars(digits.begin(), digits.end(), number);
  if (error != std::errc()) return false;
  rest.remove_prefix(std::min(end + 1, rest.size()));
  return true;
}

bool is_number(std::string_view part) {
  return !part.empty() && part.find_first_not_of("0123456789") == std::string_view::npos;
}

std::strong_ordering compare_numbers(std::string_view a, std::string_view b) {
  const auto strip = [](std::string_view& n) {
    n.remove_prefix(std::min(n.find_first_not_of('0'), n.size()));
  };
  strip(a);
  strip(b);
  if (a.size() != b.size()) return a.size() <=> b.size();
  return a.compare(b) <=> 0;
}

// semver.org 11: none after any; part by part, numbers before words, fewer parts before more.
std::strong_ordering compare_pre_releases(std::string_view a, std::string_view b) {
  if (a.empty() || b.empty()) return a.empty() <=> b.empty();
  while (true) {
    const std::string_view left = a.substr(0, a.find('.'));
    const std::string_view right = b.substr(0, b.find('.'));
    const bool left_number = is_number(left);
    const bool right_number = is_number(right);
    if (left_number != right_number)
      return left_number ? std::strong_ordering::less : std::strong_ordering::greater;
    const auto order = left_number ? compare_numbers(left, right) : left.compare(right) <=> 0;
    if (order != 0) return order;
    const bool left_ends = left.size() == a.size();
    const bool right_ends = right.size() == b.size();
    if (left_ends || right_ends) return right_ends <=> left_ends;
    a.remove_prefix(left.size() + 1);
    b.remove_prefix(right.size() + 1);
  }
}

}  // namespace

std::string Version::to_string() const {
  return fmt::format("{}.{}.{}{}{}", major, minor, patch, pre_release.empty() ? "" : "-",
                     pre_release);
}

std::string Version::major_minor() const { return fmt::format("{}.{}", major, minor); }

std::strong_ordering Version::operator<=>(const Version& other) const {
  if (major != other.major) return major <=> other.major;
  if (minor != other.minor) return minor <=> other.minor;
  if (patch != other.patch) return patch <=> other.patch;
  return compare_pre_releases(pre_release, other.pre_release);
}

std::optional<Version> parse_version(std::string_view text) {
  Version version;
  text = text.substr(0, text.find('+'));
  const size_t dash = text.find('-');
  if (dash != std::string_view::npos) {
    version.pre_release = text.substr(dash + 1);
    if (version.pre_release.empty()) return std::nullopt;
    text = text.substr(0, dash);
  }
  if (std::count(text.begin(), text.end(), '.') != 2) return std::nullopt;
  for (int64_t* number : {&version.major, &version.minor, &version.patch})
    if (!take_number(text, *number)) return std::nullopt;
  return version;
}

std::optional<Version> parse_version_or_major_minor(std::string_view text) {
  if (auto version = parse_version(text)) return version;
  return parse_version(std::string(text) + ".0");
}

bool is_valid_cluster_version_change(const Version& from, const Version& to) {
  const Version old_version = from.without_patch();
  const Version new_version = to.without_patch();
  return new_version == allowed_downgrade(old_version) ||
         (old_version.major == new_version.major && old_version < new_version);
}

Version allowed_downgrade(const Version& cluster) {
  return {cluster.major, cluster.minor - 1, 0, {}};
}

absl::Status check_not_older(const Version& server, const Version& cluster) {
  if (server.without_patch() >= cluster) return absl::OkStatus();
  return make_status(absl::StatusCode::kFailedPrecondition,
                     fmt::format("invalid downgrade; server version is lower than determined "
                                 "cluster version (server {}, cluster {})",
                                 server.without_patch().to_string(), cluster.major_minor()));
}

}  // namespace holdfast::membership
