// What a member does without being asked.
#pragma once

#include <memory>
#include <vector>

#include "server/chore.h"
#include "server/consensus.h"
#include "server/corruption_monitor.h"
#include "server/member.h"
#include "server/member_givens.h"
#include "server/member_services.h"
#include "server/member_versions.h"
#include "server/replicated_state.h"

namespace holdfast::server {

class MemberChores {
 public:
  // All are open already, and nothing runs.
  MemberChores(const MemberGivens& given, MemberFacts& facts, ReplicatedState& state, Consensus& consensus,
               MemberServices& services);

  // As Member::check_for_corruption().
  void check_for_corruption(UniqueFunction<void(absl::Status)> done);
  // Who listens to apply, does from here on: before the consensus starts.
  void listen(Member::Events events);
  // Any thread.
  void start();
  void stop();

 private:
  AskMemberVersions ask_versions(env::Duration timeout);
  template <class C>
  C& add(std::unique_ptr<C> chore);

  const MemberGivens& given_;
  MemberFacts& facts_;
  ReplicatedState& state_;
  Consensus& consensus_;
  MemberServices& services_;
  std::vector<std::unique_ptr<Chore>> chores_;
  CorruptionMonitor& corruption_;
};

}  // namespace holdfast::server
