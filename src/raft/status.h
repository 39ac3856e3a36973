// A look at a node from outside.
#pragma once

#include <string>

#include "base/types.h"
#include "raft/progress.h"
#include "raft/ready.h"
#include "raft/tracker.h"
#include "raft/types.h"

namespace holdfast::raft {

struct BasicStatus {
  MemberId id;
  HardState hard_state;
  SoftState soft_state;
  Index applied;
  MemberId lead_transferee;  // zero if no transfer is under way
};

struct Status : BasicStatus {
  TrackerConfig config;
  ProgressMap progress;  // empty unless this node leads
};

// One JSON object, as etcd's raft.Status prints; members in ascending order.
std::string to_json(const Status& status);

}  // namespace holdfast::raft
