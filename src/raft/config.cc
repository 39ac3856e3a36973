#include "raft/config.h"

#include "raft/message.h"

namespace holdfast::raft {

absl::Status Config::validate() const {
  if (id == kNone) return absl::InvalidArgumentError("cannot use none as id");
  if (is_local_target(id)) return absl::InvalidArgumentError("cannot use local target as id");
  if (heartbeat_tick <= 0)
    return absl::InvalidArgumentError("heartbeat tick must be greater than 0");
  if (election_tick <= heartbeat_tick)
    return absl::InvalidArgumentError("election tick must be greater than heartbeat tick");
  if (storage == nullptr) return absl::InvalidArgumentError("storage cannot be nil");
  if (logger == nullptr) return absl::InvalidArgumentError("logger cannot be nil");
  if (max_inflight_messages <= 0)
    return absl::InvalidArgumentError("max inflight messages must be greater than 0");
  if (max_inflight_bytes != 0 && max_inflight_bytes < max_size_per_message)
    return absl::InvalidArgumentError("max inflight bytes must be >= max message size");
  if (read_only_option == ReadOnlyOption::lease_based && !check_quorum) {
    return absl::InvalidArgumentError(
        "CheckQuorum must be enabled when ReadOnlyOption is ReadOnlyLeaseBased");
  }
  return absl::OkStatus();
}

}  // namespace holdfast::raft
