// Changes of the configuration: single steps and joint consensus (Raft thesis 4.1, 4.3).
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "base/types.h"
#include "raft/tracker.h"
#include "raft/types.h"

namespace holdfast::raft {

ConfChangeV2 as_v2(const ConfChange& change);

// Whether a change enters a joint configuration, and if so, whether raft leaves it by itself.
enum class JointEntry : uint8_t { none, leave_automatically, leave_explicitly };
JointEntry joint_entry(const ConfChangeV2& change);
// An empty change means: leave the joint configuration.
bool leaves_joint(const ConfChangeV2& change);

// "v1 l2 r3 u4": make a voter, make a learner, remove, update. Error: invalid argument.
absl::StatusOr<std::vector<ConfChangeSingle>> conf_changes_from_string(std::string_view text);
std::string conf_changes_to_string(absl::Span<const ConfChangeSingle> changes);

struct Configuration {
  TrackerConfig config;
  ProgressMap progress;
};

// Computes the configuration that follows from a change of the tracker's. Nothing is changed in
// place. Errors: the change is not allowed; the text is etcd's.
class Changer {
 public:
  // last_index: where the probing of new members starts.
  Changer(const ProgressTracker& tracker, Index last_index)
      : tracker_(tracker), last_index_(last_index) {}

  // One step: at most one voter may differ.
  absl::StatusOr<Configuration> simple(absl::Span<const ConfChangeSingle> changes) const;
  enum class AutoLeave : bool { no, yes };
  absl::StatusOr<Configuration> enter_joint(AutoLeave auto_leave,
                                            absl::Span<const ConfChangeSingle> changes) const;
  absl::StatusOr<Configuration> leave_joint() const;

 private:
  absl::StatusOr<Configuration> copy() const;
  absl::Status apply(Configuration& to, absl::Span<const ConfChangeSingle> changes) const;
  void make_voter(Configuration& to, MemberId id) const;
  void make_learner(Configuration& to, MemberId id) const;
  void remove(Configuration& to, MemberId id) const;
  enum class Role : uint8_t { voter, learner };
  void add(Configuration& to, MemberId id, Role role) const;

  const ProgressTracker& tracker_;
  Index last_index_;
};

// The configuration that a snapshot's ConfState describes, built on an empty tracker.
absl::StatusOr<Configuration> restore_configuration(const ProgressTracker& empty, Index last_index,
                                                    const ConfState& state);

// The same members in the same roles, in any order.
bool equivalent(const ConfState& a, const ConfState& b);

}  // namespace holdfast::raft
