#include "apps/holdfast/feature_gates.h"

#include <algorithm>
#include <map>

#include "apps/holdfast/go_values.h"
#include "base/go_text.h"
#include "fmt/format.h"

namespace holdfast::config {
namespace {

constexpr std::string_view kAllAlpha = "AllAlpha";
constexpr std::string_view kAllBeta = "AllBeta";

// FG-01..FG-09.
constexpr std::array<FeatureSpec, kFeatureCount> kFeatures = {{
    {Feature::stop_grpc_service_on_defrag, "StopGRPCServiceOnDefrag", FeatureStage::alpha, false},
    // etcd skips a copy of its read buffer; here the write path never copies it, at either value.
    {Feature::txn_mode_write_with_shared_buffer, "TxnModeWriteWithSharedBuffer", FeatureStage::beta,
     true},
    {Feature::initial_corrupt_check, "InitialCorruptCheck", FeatureStage::alpha, false},
    {Feature::compact_hash_check, "CompactHashCheck", FeatureStage::alpha, false},
    {Feature::lease_checkpoint, "LeaseCheckpoint", FeatureStage::alpha, false},
    {Feature::lease_checkpoint_persist, "LeaseCheckpointPersist", FeatureStage::alpha, false},
    {Feature::set_member_local_addr, "SetMemberLocalAddr", FeatureStage::alpha, false},
    {Feature::fast_lease_keep_alive, "FastLeaseKeepAlive", FeatureStage::beta, true},
    {Feature::priority_request, "PriorityRequest", FeatureStage::alpha, false},
}};

std::string_view trim(std::string_view text) {
  while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) text.remove_prefix(1);
  while (!text.empty() && (text.back() == ' ' || text.back() == '\t')) text.remove_suffix(1);
  return text;
}

bool is_known(std::string_view name) {
  if (name == kAllAlpha || name == kAllBeta) return true;
  return std::any_of(kFeatures.begin(), kFeatures.end(),
                     [&](const FeatureSpec& spec) { return spec.name == name; });
}

absl::StatusOr<std::map<std::string, bool, std::less<>>> parse_pairs(std::string_view text) {
  std::map<std::string, bool, std::less<>> pairs;
  while (!text.empty()) {
    const size_t comma = text.find(',');
    const std::string_view pair = text.substr(0, comma);
    text.remove_prefix(comma == std::string_view::npos ? text.size() : comma + 1);
    if (pair.empty()) continue;
    const size_t equal = pair.find('=');
    const std::string_view name = trim(pair.substr(0, equal));
    if (equal == std::string_view::npos)
      return absl::InvalidArgumentError(fmt::format("missing bool value for {}", name));
    const std::string_view value = trim(pair.substr(equal + 1));
    const auto on = parse_go_bool(value);
    if (!on.ok())
      return absl::InvalidArgumentError(
          fmt::format("invalid value of {}={}, err: strconv.ParseBool: parsing {}: invalid syntax",
                      name, value, go_quote(value)));
    pairs[std::string(name)] = *on;
  }
  return pairs;
}

}  // namespace

std::span<const FeatureSpec> feature_specs() { return kFeatures; }

std::string_view to_string(FeatureStage stage) {
  return stage == FeatureStage::alpha ? "ALPHA" : "BETA";
}

FeatureGates::FeatureGates() {
  for (size_t i = 0; i < kFeatureCount; ++i) enabled_[i] = kFeatures[i].enabled_by_default;
}

absl::Status FeatureGates::set(std::string_view text) {
  const auto pairs = parse_pairs(text);
  if (!pairs.ok()) return pairs.status();
  for (const auto& [name, on] : *pairs)
    if (!is_known(name))
      return absl::InvalidArgumentError(fmt::format("unrecognized feature gate: {}", name));
  for (size_t i = 0; i < kFeatureCount; ++i) {
    if (const auto found = pairs->find(kFeatures[i].name); found != pairs->end()) {
      enabled_[i] = found->second;
      chosen_[i] = true;
    }
  }
  const auto set_group = [&](std::string_view name, FeatureStage stage, Group& group) {
    const auto found = pairs->find(name);
    if (found == pairs->end()) return;
    group = found->second ? Group::on : Group::off;
    for (size_t i = 0; i < kFeatureCount; ++i) {
      if (kFeatures[i].stage != stage || chosen_[i]) continue;
      enabled_[i] = found->second;
      chosen_[i] = true;
    }
  };
  set_group(kAllAlpha, FeatureStage::alpha, all_alpha_);
  set_group(kAllBeta, FeatureStage::beta, all_beta_);
  return absl::OkStatus();
}

std::string FeatureGates::text() const {
  std::vector<std::string> pairs;
  for (size_t i = 0; i < kFeatureCount; ++i)
    if (chosen_[i]) pairs.push_back(fmt::format("{}={}", kFeatures[i].name, bool{enabled_[i]}));
  if (all_alpha_ != Group::unset)
    pairs.push_back(fmt::format("{}={}", kAllAlpha, all_alpha_ == Group::on));
  if (all_beta_ != Group::unset)
    pairs.push_back(fmt::format("{}={}", kAllBeta, all_beta_ == Group::on));
  std::sort(pairs.begin(), pairs.end());
  return fmt::format("{}", fmt::join(pairs, ","));
}

std::vector<FeatureGates::Shown> FeatureGates::shown() const {
  std::vector<Shown> all = {{kAllAlpha, FeatureStage::alpha, all_alpha_ == Group::on},
                            {kAllBeta, FeatureStage::beta, all_beta_ == Group::on}};
  for (const FeatureSpec& spec : kFeatures) all.push_back({spec.name, spec.stage, enabled(spec.feature)});
  return all;
}

std::vector<std::string> FeatureGates::known_features() {
  std::vector<std::string> lines = {
      fmt::format("{}=true|false (ALPHA - default=false)", kAllAlpha),
      fmt::format("{}=true|false (BETA - default=false)", kAllBeta)};
  for (const FeatureSpec& spec : kFeatures)
    lines.push_back(fmt::format("{}=true|false ({} - default={})", spec.name,
                                to_string(spec.stage), spec.enabled_by_default));
  std::sort(lines.begin(), lines.end());
  return lines;
}

}  // namespace holdfast::config
