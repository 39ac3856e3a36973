// From a proposal to an applied entry: raft's owner, its log's writer and its apply, with what each of them serves by the
// way (reads, snapshots, time-outs). Puts them together; what happens is in the parts.
#pragma once

#include <memory>

#include "absl/status/status.h"
#include "raft/storage.h"
#include "server/applied_waits.h"
#include "server/apply_owner.h"
#include "server/leader_loss.h"
#include "server/log_writer.h"
#include "server/member_givens.h"
#include "server/proposal_timeouts.h"
#include "server/raft_owner.h"
#include "server/read_index.h"
#include "server/replicated_state.h"
#include "server/snapshot_installer.h"
#include "server/snapshot_saver.h"
#include "server/snapshot_sender.h"
#include "wal/snap_file.h"

namespace holdfast::server {

class Consensus {
 public:
  Consensus(MemberGivens& given, MemberFacts& facts, ReplicatedState& state)
      : given_(given), facts_(facts), state_(state), snapshotter_(given.wal_world(), given.config.snap_dir()) {}

  // Before anything runs: what a crash left half done is gone, and raft stands where log and state say.
  absl::Status open();
  // Any thread.
  void start();
  // On the background executor, once: the owners end in the order of the path; what was applied is committed. `stopped`
  // runs on an executor of the backend's.
  void stop(Task stopped);

  std::unique_ptr<RaftOwner> raft;
  std::unique_ptr<ReadIndex> reads;
  std::unique_ptr<ApplyOwner> apply;
  std::unique_ptr<AppliedWaits> applied;
  std::unique_ptr<SnapshotSender> snapshot_sender;
  std::unique_ptr<LeaderLoss> leader_loss;

 private:
  absl::Status open_raft();
  void open_apply();
  void open_snapshots();

  MemberGivens& given_;
  MemberFacts& facts_;
  ReplicatedState& state_;
  wal::Snapshotter snapshotter_;
  std::unique_ptr<raft::MemoryStorage> storage_;
  std::unique_ptr<LogWriter> writer_;
  std::unique_ptr<SnapshotSaver> snapshots_;
  std::unique_ptr<SnapshotInstaller> snapshot_installer_;
  std::unique_ptr<ProposalTimeouts> timeouts_;
};

}  // namespace holdfast::server
