// The owner of the write-ahead log: carries out raft's append orders, all that wait together as one write and one sync
// (group commit), and only then lets their responses go: those for this member to the raft owner, votes and
// acknowledgements to the peers (Raft 5.1: persist before answering; PUT-22, RAFT-27). A failed write or sync ends the
// process, since nothing is known any more about what is on the disk.
#pragma once

#include <functional>
#include <memory>
#include <span>
#include <vector>

#include "base/log.h"
#include "env/executor.h"
#include "env/process.h"
#include "server/peers.h"
#include "server/raft_owner.h"
#include "wal/snap_file.h"
#include "wal/wal.h"

namespace holdfast::server {

class LogWriter : public AppendSink {
 public:
  struct Parts {
    env::Executor& executor;
    env::Executor& background;  // prepares the next segment
    wal::Wal& wal;
    wal::Snapshotter& snapshotter;
    RaftOwner& raft;
    Peers& peers;
    env::Process& process;
    Logger& log;
  };
  LogWriter(Parts parts, MemberId self);
  // Wiring. Told of a received snapshot when the log says durably that it is there, before anybody hears that.
  void on_snapshot_saved(std::function<void(std::shared_ptr<const raft::Snapshot>)> install) {
    install_ = std::move(install);
  }

  // Thread-safe; in order.
  void append(raft::Message order) override;

  // Thread-safe. Writes the snapshot file and its record in the log, durably, then lets go of log files that only hold
  // entries before it; nothing of that if a later snapshot was received meanwhile. `done` runs on this owner's executor.
  // The backend must hold everything up to the snapshot's index already (DIR-06).
  void save_snapshot(raft::Snapshot snapshot, Task done);

  // Thread-safe. Received databases before `index` are not needed any more (SNP-03).
  void release_databases(Index index);

  // On the executor: nothing is written any more; what was handed in is written first.
  void stop();

 private:
  void flush();
  void write(std::span<const raft::Message> orders);
  void install(const raft::Message& order);
  void deliver(std::vector<raft::Message> orders);
  void require(const absl::Status& status);

  Parts parts_;
  const MemberId self_;
  std::function<void(std::shared_ptr<const raft::Snapshot>)> install_;
  std::vector<raft::Message> orders_;
  Index received_;  // index of the last snapshot that was received
  bool scheduled_ = false;
  bool stopped_ = false;
};

}  // namespace holdfast::server
