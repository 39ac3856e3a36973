// Which version each member runs (etcd getMembersVersions): asked of all at once, each by its peer URLs one after the
// other.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/log.h"
#include "base/task.h"
#include "env/executor.h"
#include "membership/cluster.h"
#include "server/remote_cluster.h"

namespace holdfast::server {

// Nothing for a member that did not answer.
using MemberVersions = std::map<MemberId, std::optional<RemoteCluster::Versions>>;

struct VersionSurvey {
  env::Executor& executor;
  RemoteCluster* remote;  // null: nobody answers
  Logger& log;
  env::Duration timeout;  // for each URL

  // On the executor; so is `done`, and never inside the call. `members` are those to be asked: not this one.
  void ask(const std::vector<membership::Member>& members,
           UniqueFunction<void(MemberVersions)> done) const;
};

}  // namespace holdfast::server
