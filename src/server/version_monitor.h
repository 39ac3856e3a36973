// Decides the cluster's version: the lowest "major.minor" that all members run (etcd es/version/monitor.go; parity VER-01,
// TRP-51). The leader alone decides, every four seconds and when its first entry of the term is applied, and proposes a
// ClusterVersionSet when the version rises. If a member can't be asked, nothing changes, but a cluster that has no
// version yet gets 3.0.0.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "base/log.h"
#include "env/executor.h"
#include "server/chore.h"
#include "server/request_path.h"

namespace holdfast::server {

class VersionMonitor : public Chore {
 public:
  // The server version of each member, own one included; nothing for a member that did not answer.
  using Versions = std::vector<std::optional<std::string>>;
  using AskVersions = std::function<void(UniqueFunction<void(Versions)>)>;  // answers on the executor
  struct Parts {
    env::Executor& executor;
    Proposer& proposer;
    std::function<bool()> is_leader;
    std::function<std::string()> cluster_version;  // empty: none yet
    AskVersions ask;
    Logger& log;
  };
  explicit VersionMonitor(Parts parts);
  ~VersionMonitor() override;

  std::string_view name() const override { return "cluster-version"; }
  void start() override;
  void stop() override;
  // Any thread: do it now.
  void check_soon();

 private:
  void check();
  void decide(const Versions& versions);
  void propose(const std::string& version);

  Parts parts_;
  bool stopped_ = false;
  bool busy_ = false;
  env::TimerId timer_ = 0;
};

// The lowest of the versions as "major.minor.0"; nothing if one is missing or malformed. Exposed for tests.
std::optional<std::string> lowest_version(const VersionMonitor::Versions& versions);
// True if `a` is an older version than `b`; both "major.minor.patch".
bool version_less(std::string_view a, std::string_view b);

}  // namespace holdfast::server
