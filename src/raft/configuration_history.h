// The configurations of a cluster, by the entries that brought them: every member has the same one after the same entry, and
// each entry takes effect once, in the order of the log (Raft thesis chapter 4). For tests and simulation, beside
// ClusterInvariants; costs a comparison a step, and more only when a configuration changed.
#pragma once

#include <map>

#include "absl/status/status.h"
#include "base/types.h"
#include "raft/raft.h"

namespace holdfast::raft {

class ConfigurationHistory {
 public:
  // `founding`: the last of the entries that name the founders. They know each other before they apply them, others learn
  // of them one by one, so up to there configurations are not compared.
  explicit ConfigurationHistory(Index founding) : founding_(founding) {}

  // After a step of a member.
  absl::Status check(const Raft& raft);
  // The member's process starts, with a configuration that holds all entries up to `durable`.
  void restarted(MemberId id, Index durable) { members_[id] = {.seen = {}, .holds = durable}; }

 private:
  struct Member {
    Index seen;   // raft.configured_at() when it was looked at last
    Index holds;  // its configuration has all up to here
  };
  const Index founding_;
  std::map<MemberId, Member> members_;
  std::map<Index, ConfState> after_;
};

}  // namespace holdfast::raft
