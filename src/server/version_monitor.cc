#include "server/version_monitor.h"

#include <algorithm>

#include "base/errors.h"

namespace holdfast::server {

using membership::Version;

namespace {
constexpr env::Duration kInterval = std::chrono::seconds(4);
const Version kFirstVersion{3, 0, 0, {}};

absl::Status invalid_target() {
  return make_status(absl::StatusCode::kFailedPrecondition, "invalid downgrade target");
}
}  // namespace

AskMemberVersions ask_member_versions(const MemberInfo& member, VersionSurvey survey) {
  return [&member, survey](UniqueFunction<void(MemberVersions)> done) {
    const auto cluster = member.cluster();
    std::vector<membership::Member> others;
    for (const auto& [id, other] : cluster->members())
      if (id != member.member_id()) others.push_back(other);
    const std::string version =
        cluster->version() ? cluster->version()->to_string() : std::string("not_decided");
    survey.ask(others, [self = member.member_id(), version,
                        done = std::move(done)](MemberVersions versions) mutable {
      versions[self] = RemoteCluster::Versions{std::string(kEtcdVersion), version};
      done(std::move(versions));
    });
  };
}

std::optional<Version> lowest_version(const MemberVersions& versions) {
  std::optional<Version> lowest;
  for (const auto& [id, version] : versions) {
    const auto parsed = version ? membership::parse_version(version->server) : std::nullopt;
    if (!parsed) return std::nullopt;
    lowest = lowest ? std::min(*lowest, *parsed) : *parsed;
  }
  return lowest;
}

absl::StatusOr<std::optional<Version>> next_cluster_version(const membership::Cluster& cluster,
                                                            const std::optional<Version>& lowest) {
  const std::optional<Version>& current = cluster.version();
  if (!current) return lowest ? lowest->without_patch() : kFirstVersion;
  if (!lowest) return std::nullopt;
  if (cluster.downgrade().enabled) {
    const auto target = membership::parse_version(cluster.downgrade().target_version);
    if (!target || *target == *current) return std::nullopt;
    if (*target != membership::allowed_downgrade(*current) ||
        *target != membership::allowed_downgrade(*lowest))
      return invalid_target();
    return target;
  }
  if (*current < *lowest && membership::is_valid_cluster_version_change(*current, *lowest))
    return lowest->without_patch();
  return std::nullopt;
}

VersionMonitor::VersionMonitor(Parts parts, env::Duration request_timeout)
    : parts_(std::move(parts)), request_timeout_(request_timeout) {}

VersionMonitor::~VersionMonitor() { parts_.executor.cancel(timer_); }

void VersionMonitor::start() {
  parts_.executor.post([this] {
    timer_ = parts_.executor.post_after(kInterval, [this] { check(); });
  });
}

void VersionMonitor::stop() {
  parts_.executor.post([this] {
    stopped_ = true;
    parts_.executor.cancel(std::exchange(timer_, 0));
  });
}

void VersionMonitor::check_soon() {
  parts_.executor.post([this] { check(); });
}

void VersionMonitor::check() {
  if (stopped_) return;
  parts_.executor.cancel(timer_);
  timer_ = parts_.executor.post_after(kInterval, [this] { check(); });
  if (busy_ || parts_.member.leader() != parts_.member.member_id()) return;
  busy_ = true;
  parts_.ask([this](MemberVersions versions) {
    busy_ = false;
    if (!stopped_) decide(versions);
  });
}

void VersionMonitor::decide(const MemberVersions& versions) {
  const Version own = *membership::parse_version(kEtcdVersion);
  for (const auto& [id, version] : versions) {
    const auto parsed = version ? membership::parse_version(version->server) : std::nullopt;
    if (parsed && own < *parsed)
      parts_.log.warn("leader found higher-versioned member",
                      {{"local-member-version", kEtcdVersion},
                       {"remote-member-id", id},
                       {"remote-member-version", version->server}});
  }
  const auto cluster = parts_.member.cluster();
  if (const Doubt doubt = doubt_about(cluster->version(), versions, parts_.peers);
      !cluster->version() && doubt != Doubt::none) {
    const env::Instant now = parts_.executor.now();
    if (!guessing_since_) guessing_since_ = now;
    if (ask_again(doubt, now - *guessing_since_)) {
      parts_.executor.cancel(timer_);
      timer_ = parts_.executor.post_after(kSilencePause, [this] { check(); });
      return;
    }
  }
  const auto next = next_cluster_version(*cluster, lowest_version(versions));
  if (!next.ok())
    return parts_.log.error("Failed to monitor cluster version", {{"error", message(next.status())}});
  if (!*next) return;
  if (cluster->version())
    parts_.log.info("updating cluster version using v3 API",
                    {{"from", cluster->version()->major_minor()}, {"to", (*next)->major_minor()}});
  else
    parts_.log.info("setting up initial cluster version using v3 API",
                    {{"cluster-version", (*next)->major_minor()}});
  propose(**next, fact_form(cluster->version(), versions));
}

void VersionMonitor::propose(const Version& version, FactForm form) {
  busy_ = true;
  parts_.facts.set_version(
      {.reply_on = &parts_.executor, .deadline = parts_.executor.now() + request_timeout_}, form,
      version, [this, version](std::unique_ptr<apply::Result> result) {
        busy_ = false;
        if (result->status.ok()) {
          parts_.log.info("cluster version is updated", {{"cluster-version", version.major_minor()}});
        } else {
          parts_.log.warn("failed to update cluster version", {{"error", message(result->status)}});
        }
      });
}

}  // namespace holdfast::server
