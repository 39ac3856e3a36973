// Semantic versions as etcd compares them, and which changes of the cluster's version are allowed (parity VER-01..03;
// etcd es/version/downgrade.go, coreos/go-semver).
#pragma once

#include <compare>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "absl/status/status.h"

namespace holdfast::membership {

struct Version {
  int64_t major = 0;
  int64_t minor = 0;
  int64_t patch = 0;
  std::string pre_release;  // "alpha.0"; sorts before none

  std::string to_string() const;        // "3.7.0", "3.8.0-alpha.0"
  std::string major_minor() const;      // "3.7"
  Version without_patch() const { return {major, minor, 0, {}}; }
  bool operator==(const Version&) const = default;
  std::strong_ordering operator<=>(const Version& other) const;
};

// "X.Y.Z", "X.Y.Z-pre", "X.Y.Z+metadata" (dropped). Nothing else.
std::optional<Version> parse_version(std::string_view text);
// Besides, "X.Y" (MNT-10).
std::optional<Version> parse_version_or_major_minor(std::string_view text);

// VER-03: one minor down, or any step up within the major version. Patches don't count.
bool is_valid_cluster_version_change(const Version& from, const Version& to);
// MNT-10: the one version that a cluster of `cluster` may go down to: "X.(Y-1).0".
Version allowed_downgrade(const Version& cluster);
// VER-02: a server older than its cluster must not run. FailedPrecondition, with etcd's log text.
absl::Status check_not_older(const Version& server, const Version& cluster);

}  // namespace holdfast::membership
