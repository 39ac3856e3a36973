// etcd 3.7's server feature gates (parity FG-01..FG-10): --feature-gates=A=true,B=false with the groups AllAlpha and
// AllBeta; what is named explicitly wins over its group.
#pragma once

#include <array>
#include <bitset>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"

namespace holdfast::config {

enum class Feature : uint8_t {
  stop_grpc_service_on_defrag,
  txn_mode_write_with_shared_buffer,
  initial_corrupt_check,
  compact_hash_check,
  lease_checkpoint,
  lease_checkpoint_persist,
  set_member_local_addr,
  fast_lease_keep_alive,
  priority_request,
};
inline constexpr size_t kFeatureCount = 9;

enum class FeatureStage : uint8_t { alpha, beta };

struct FeatureSpec {
  Feature feature;
  std::string_view name;
  FeatureStage stage;
  bool enabled_by_default;
};
// One row a feature, in the enum's order.
std::span<const FeatureSpec> feature_specs();
std::string_view to_string(FeatureStage stage);  // "ALPHA", "BETA"

class FeatureGates {
 public:
  FeatureGates();  // the defaults

  bool enabled(Feature feature) const { return enabled_[static_cast<size_t>(feature)]; }
  // Takes a flag's value; later calls add to earlier ones. Unchanged on error. Errors: FG-10.
  absl::Status set(std::string_view text);
  // "A=true,B=false" of what was set, sorted, groups included as etcd prints it.
  std::string text() const;
  // One line a feature and a group: of the metric etcd_server_feature_enabled.
  struct Shown {
    std::string_view name;
    FeatureStage stage;
    bool enabled;
  };
  std::vector<Shown> shown() const;
  // Lines for --help: "Name=true|false (ALPHA - default=false)".
  static std::vector<std::string> known_features();

  bool operator==(const FeatureGates&) const = default;

 private:
  std::bitset<kFeatureCount> enabled_;
  std::bitset<kFeatureCount> chosen_;  // named or set through its group
  // Groups as given: unset, false, true.
  enum class Group : uint8_t { unset, off, on };
  Group all_alpha_ = Group::unset;
  Group all_beta_ = Group::unset;
};

}  // namespace holdfast::config
