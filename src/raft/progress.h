// What a leader knows of one follower.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/types.h"
#include "raft/inflights.h"

namespace holdfast::raft {

enum class ProgressState : uint8_t {
  probe,      // last index unknown: one append per heartbeat, until an answer tells where the logs
              // agree
  replicate,  // appends are pipelined within the inflight window
  snapshot,  // needs entries that are compacted away: nothing is sent until the snapshot arrived or
             // failed
};
std::string_view name(ProgressState state);  // "StateProbe", ...

struct Progress {
  // The follower's log equals the leader's up to here. Invariant: match < next.
  Index match;
  // The next entry to send. Entries in (match, next) are on the way. In snapshot: pending_snapshot
  // + 1.
  Index next;
  // The highest commit index on the way to the follower.
  Index sent_commit;
  ProgressState state = ProgressState::probe;
  // In snapshot: index of the snapshot sent. Zero otherwise.
  Index pending_snapshot;
  // Heard from since the last check_quorum. Always true for the leader itself.
  bool recent_active = false;
  // No append until the next heartbeat response: a probe is on the way, or the window is full.
  bool append_paused = false;
  Inflights inflights;
  bool is_learner = false;

  bool paused() const { return state == ProgressState::snapshot || append_paused; }

  void become_probe();
  void become_replicate();
  void become_snapshot(Index snapshot_index);

  // An append with so many entries and payload bytes was sent.
  void sent_entries(size_t entries, uint64_t bytes);
  // Would an append that carries `commit` tell the follower anything?
  bool can_bump_commit(Index commit) const {
    return commit > sent_commit && sent_commit < next - 1;
  }

  // The follower acknowledged up to `index`. False if that is not news.
  bool maybe_update(Index index);
  // The follower refused the append behind `rejected`; the logs may agree at `match_hint`. False if
  // the refusal is stale: an answer to a message that other answers have overtaken.
  bool maybe_decrease_to(Index rejected, Index match_hint);

 private:
  void reset_state(ProgressState to);
};

// "StateReplicate match=11 next=12 paused inflight=3[full]"
std::string describe(const Progress& progress);

// By ascending id. A handful of members: a sorted vector.
class ProgressMap {
 public:
  using value_type = std::pair<MemberId, Progress>;

  Progress* find(MemberId id);
  const Progress* find(MemberId id) const;
  bool contains(MemberId id) const { return find(id) != nullptr; }
  // Inserts, or replaces.
  Progress& set(MemberId id, Progress progress);
  void erase(MemberId id);
  size_t size() const { return members_.size(); }
  bool empty() const { return members_.empty(); }
  auto begin() { return members_.begin(); }
  auto end() { return members_.end(); }
  auto begin() const { return members_.begin(); }
  auto end() const { return members_.end(); }

 private:
  std::vector<value_type> members_;
};
// One line a member: "1: StateReplicate match=11 next=12\n".
std::string describe(const ProgressMap& map);

}  // namespace holdfast::raft
