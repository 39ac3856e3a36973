// Every snapshot-count entries, notes durably that the backend holds everything so far, so that the log before it can
// go (etcd snapshotIfNeeded; parity F-004, DIR-06, RAL-17). Three steps on three executors, one snapshot at a time, none
// of which apply waits for: the backend commits; the log writer saves the .snap file and its record and lets go of old
// log files; the next one may begin.
#pragma once

#include <algorithm>
#include <memory>

#include "apply/state_machine.h"
#include "base/log.h"
#include "server/apply_owner.h"
#include "server/log_writer.h"

namespace holdfast::server {

class SnapshotSaver : public ApplyListener {
 public:
  struct Options {
    uint64_t count;      // entries between two snapshots
    MemberId self;
  };
  SnapshotSaver(env::Executor& apply, apply::StateMachine& machine, LogWriter& log, Logger& logger,
                Index last, Options options);

  void on_applied(Index index, Term term) override;
  void on_installed(Index index) override;
  // Entries between the last snapshot and the applied index don't matter any more: save one at the next chance.
  void force() { forced_ = true; }

 private:
  env::Executor& apply_;
  apply::StateMachine& machine_;
  LogWriter& log_;
  Logger& logger_;
  const Options options_;
  Index last_;  // of the last snapshot on the disk
  // What etcd before 3.7 finds its members in (WAL-15, RAFT-19), and of which cluster: it seldom changes.
  std::shared_ptr<const membership::Cluster> cluster_;  // shared with who reads it
  SharedBytes v2_store_;
  bool busy_ = false;
  bool forced_ = false;
};

}  // namespace holdfast::server
