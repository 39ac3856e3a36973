// What requests ask of raft besides proposals and reads. The raft owner implements it. Thread-safe; answers come exactly
// once, on `reply_on`, never inside the call.
#pragma once

#include "absl/status/statusor.h"
#include "base/task.h"
#include "base/types.h"
#include "env/executor.h"

namespace holdfast::server {

class RaftControl {
 public:
  virtual ~RaftControl() = default;

  // Begins to move leadership from this member; nothing happens if it doesn't lead (RAL-10).
  virtual void begin_transfer(MemberId to) = 0;

  // How far a member's log is known to match the leader's. Errors: not_leader if this member doesn't lead,
  // member_not_found if raft doesn't know the other.
  struct Match {
    Index member;
    Index leader;
  };
  virtual void ask_match(MemberId id, env::Executor& reply_on,
                         UniqueFunction<void(absl::StatusOr<Match>)> done) = 0;
};

}  // namespace holdfast::server
