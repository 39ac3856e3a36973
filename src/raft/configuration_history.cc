#include "raft/configuration_history.h"

#include "fmt/format.h"
#include "raft/confchange.h"
#include "raft/describe.h"
#include "raft/tracker.h"

namespace holdfast::raft {

absl::Status ConfigurationHistory::check(const Raft& raft) {
  Member& member = members_[raft.id()];
  const Index at = raft.configured_at();
  if (at == member.seen) return absl::OkStatus();
  member.seen = at;
  if (at <= member.holds)
    return absl::InternalError(fmt::format("member {:x} takes the configuration of entry {} over, and has all up to {}",
                                           raft.id().value, at.value, member.holds.value));
  // Founders have their configuration before they apply the entries that say it.
  if (raft.log().applied() > Index(0)) member.holds = at;
  if (at <= founding_ || at == raft.configured_by_snapshot()) return absl::OkStatus();
  const ConfState now = conf_state(raft.tracker().config);
  const auto& [entry, known] = *after_.emplace(at, now).first;
  if (equivalent(known, now)) return absl::OkStatus();
  return absl::InternalError(fmt::format("member {:x} has the configuration {} after entry {}, others have {}",
                                         raft.id().value, describe(now), at.value, describe(known)));
}

}  // namespace holdfast::raft
