// Taking over a new configuration (Raft thesis chapter 4). It takes effect when its entry is
// applied.
#include "raft/confchange.h"
#include "raft/describe.h"
#include "raft/raft.h"

namespace holdfast::raft {

// Starts over with the configuration of a snapshot or of a restart.
void Raft::adopt(const ConfState& state) {
  tracker_ = tracker_.emptied();
  absl::StatusOr<Configuration> restored =
      restore_configuration(tracker_, log_.last_index(), state);
  if (!restored.ok()) {
    logger_.panic("unable to restore config {}: {}", describe(state),
                  std::string(restored.status().message()));
  }
  const ConfState now = switch_to(*std::move(restored));
  if (!equivalent(state, now)) {
    logger_.panic("ConfStates not equivalent after sorting: {} and {}", describe(state),
                  describe(now));
  }
}

ConfState Raft::apply_conf_change(const ConfChangeV2& change, Index at) {
  ++changes_;
  if (at <= configured_by_snapshot_) return conf_state(tracker_.config);
  const Changer changer(tracker_, log_.last_index());
  const JointEntry entry = joint_entry(change);
  absl::StatusOr<Configuration> next =
      leaves_joint(change) ? changer.leave_joint()
      : entry == JointEntry::none
          ? changer.simple(change.changes)
          : changer.enter_joint(entry == JointEntry::leave_automatically ? Changer::AutoLeave::yes
                                                                         : Changer::AutoLeave::no,
                                change.changes);
  if (!next.ok()) logger_.panic("{}", std::string(next.status().message()));
  configured_at_ = at;
  return switch_to(*std::move(next));
}

ConfState Raft::switch_to(Configuration configuration) {
  tracker_.config = std::move(configuration.config);
  tracker_.progress = std::move(configuration.progress);
  logger_.info("{:x} switched to configuration {}", id_.value, describe(tracker_.config));
  const ConfState members = conf_state(tracker_.config);
  const Progress* self = tracker_.progress.find(id_);
  is_learner_ = self != nullptr && self->is_learner;

  if ((self == nullptr || is_learner_) && state_ == StateType::leader) {
    // A leader that is no voter any more goes on serving the others until somebody else leads,
    // unless told otherwise.
    if (config_.step_down_on_removal) become_follower(term_, kNone);
    return members;
  }
  if (state_ != StateType::leader || members.voters.empty()) return members;

  if (maybe_commit()) {
    // The new quorum may be a smaller one.
    broadcast_append();
  } else {
    // Newcomers need not wait for a heartbeat to be probed.
    for (auto& [id, progress] : tracker_.progress) {
      if (id != id_) maybe_send_append(id, progress, SendEmpty::no);
    }
  }
  if (leader_->transferee != kNone && !tracker_.config.voters.contains(leader_->transferee))
    leader_->transferee = kNone;
  return members;
}

}  // namespace holdfast::raft
