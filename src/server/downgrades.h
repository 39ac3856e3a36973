// Preparing the cluster for members of the version before (etcd v3_server.go Downgrade, es/version; parity MNT-10,
// MNT-11, VER-07, VER-08): a downgrade is validated and enabled; the leader lowers the cluster's version
// (version_monitor.h); members of the older version take the places of the newer ones; when all are there, the leader
// ends it.
#pragma once

#include <string>

#include "absl/status/statusor.h"
#include "base/log.h"
#include "server/access_control.h"
#include "server/chore.h"
#include "server/member_info.h"
#include "server/request_path.h"
#include "server/version_monitor.h"

namespace holdfast::server {

class Downgrades {
 public:
  struct Parts {
    Proposer& proposer;
    LinearizableReader& reader;
    const MemberInfo& member;
    const AccessControl& access;
    Logger& log;
  };
  explicit Downgrades(Parts parts) : parts_(parts) {}

  // Calls on context.reply_on; answers exactly once there, perhaps inside the call, with the cluster's version as "X.Y".
  // Holds no state: several threads may call at once.
  using Done = UniqueFunction<void(absl::StatusOr<std::string>)>;
  void validate(const CallContext& context, const std::string& target, Done done);
  void enable(const CallContext& context, const std::string& target, Done done);
  void cancel(const CallContext& context, Done done);

 private:
  void check(const CallContext& context, const std::string& target,
             UniqueFunction<void(absl::StatusOr<membership::Version>)> done);
  absl::StatusOr<std::string> cluster_version() const;

  const Parts parts_;
};

// Ends a downgrade when all members run its target, asking every `interval` while this member leads.
class DowngradeMonitor : public Chore {
 public:
  struct Parts {
    env::Executor& executor;
    Proposer& proposer;
    const MemberInfo& member;
    AskMemberVersions ask;
    Logger& log;
  };
  // `interval`: --downgrade-check-time; 0: never.
  DowngradeMonitor(Parts parts, env::Duration interval, env::Duration request_timeout);
  ~DowngradeMonitor() override;

  std::string_view name() const override { return "downgrade"; }
  void start() override;
  void stop() override;

 private:
  void arm();
  void check();
  void end();

  const Parts parts_;
  const env::Duration interval_;
  const env::Duration request_timeout_;
  bool stopped_ = false;
  bool busy_ = false;
  env::TimerId timer_ = 0;
};

// True if every member runs `target`, patches apart.
bool all_run(const MemberVersions& versions, const membership::Version& target);

}  // namespace holdfast::server
