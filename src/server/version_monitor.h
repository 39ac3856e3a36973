// Decides the cluster's version: the lowest "major.minor" that all members run, or the target of a downgrade that is
// enabled (etcd es/version/monitor.go; parity VER-01, VER-08, TRP-51). The leader alone decides, every four seconds and
// when its first entry of the term is applied. If a member can't be asked, nothing changes, but a cluster that has no
// version yet gets 3.0.0.
#pragma once

#include <functional>
#include <optional>

#include "absl/status/statusor.h"
#include "base/log.h"
#include "env/executor.h"
#include "server/chore.h"
#include "server/cluster_facts.h"
#include "server/member_info.h"
#include "server/peers.h"

namespace holdfast::server {

// Asks for the versions of all members, own one included; answers on the chore's executor.
using AskMemberVersions = std::function<void(UniqueFunction<void(MemberVersions)>)>;
AskMemberVersions ask_member_versions(const MemberInfo& member, VersionSurvey survey);

class VersionMonitor : public Chore {
 public:
  struct Parts {
    env::Executor& executor;
    ClusterFacts& facts;
    const MemberInfo& member;
    const Peers& peers;
    AskMemberVersions ask;
    Logger& log;
  };
  VersionMonitor(Parts parts, env::Duration request_timeout);
  ~VersionMonitor() override;

  std::string_view name() const override { return "cluster-version"; }
  void start() override;
  void stop() override;
  // Any thread: do it now.
  void check_soon();

 private:
  void check();
  void decide(const MemberVersions& versions);
  void propose(const membership::Version& version, FactForm form);

  Parts parts_;
  const env::Duration request_timeout_;
  bool stopped_ = false;
  bool busy_ = false;
  std::optional<env::Instant> guessing_since_;
  env::TimerId timer_ = 0;
};

// The lowest server version; nothing if one is missing or malformed.
std::optional<membership::Version> lowest_version(const MemberVersions& versions);
// What the cluster's version must become; nothing if it stays. FailedPrecondition for a downgrade that can't be.
absl::StatusOr<std::optional<membership::Version>> next_cluster_version(
    const membership::Cluster& cluster, const std::optional<membership::Version>& lowest);

}  // namespace holdfast::server
