// Turns raft's wish to send a snapshot into one (etcd createMergedSnapshotMessage, sendMergedSnap; parity RAFT-17..19):
// of the state as it is now, at the applied index, which is at least the one that raft asked for. While one is under way,
// and until its member has caught up (at most 30 s), the entries that follow it are kept in memory,
// as far as RaftOwner's bound goes.
#pragma once

#include <functional>
#include <map>
#include <set>

#include "apply/state_machine.h"
#include "base/log.h"
#include "env/executor.h"
#include "server/backend_snapshots.h"
#include "server/peers.h"
#include "server/raft_owner.h"

namespace holdfast::server {

// On the apply executor, but for what says otherwise.
class SnapshotSender {
 public:
  struct Parts {
    env::Executor& apply;
    apply::StateMachine& machine;
    BackendSnapshots& snapshots;
    RaftOwner& raft;
    Peers& peers;
    Logger& log;
    Index catchup_entries;  // kept in memory even for those who get no snapshot
  };
  explicit SnapshotSender(Parts parts) : parts_(std::move(parts)) {}
  ~SnapshotSender() { stop(); }

  // Any thread: a MsgSnap of raft's, to message.to.
  void request(raft::Message message);
  // Any thread: what became of the snapshot that was sent to a member.
  void report(MemberId to, raft::SnapshotStatus status);
  void stop();

 private:
  void send(raft::Message message);
  void fail(MemberId to);
  void on_report(MemberId to, raft::SnapshotStatus status);
  void look_later(MemberId to, int looks_left);
  void let_go();

  Parts parts_;
  bool stopped_ = false;
  std::map<MemberId, size_t> under_way_;
  size_t held_ = 0;  // snapshots for which entries are kept: those under way, and those whose members have not caught up yet
  std::set<env::TimerId> timers_;
};

}  // namespace holdfast::server
