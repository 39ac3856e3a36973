// Makes a received snapshot the member's state while the old state goes on serving reads (etcd applySnapshot; parity
// BKT-16, SNP-03, MET-05). Steps, each on its executor:
//   1. background: the file, {index:016x}.snap.db, becomes a backend of its own beside the current one, durably;
//   2. committer: it takes the current one's place on the disk. What a crash finds up to here is the old backend and the
//      file, from which the start repeats all this (server/snapshot_import.h);
//   3. apply: the state machine goes over to it, and whoever looks at the state is shown the new one;
//   4. the old one lives until its last reader is done, and the file is removed.
#pragma once

#include <atomic>
#include <functional>
#include <memory>

#include "apply/state_machine.h"
#include "backend/backend.h"
#include "base/log.h"
#include "env/executor.h"
#include "env/file_system.h"
#include "env/metrics.h"
#include "env/process.h"

namespace holdfast::server {

class SnapshotInstaller {
 public:
  struct Parts {
    env::Executor& apply;
    env::Executor& background;
    env::FileSystem& files;
    env::Process& process;
    Logger& log;
    env::Metrics& metrics;
    apply::StateMachine& machine;
    std::function<std::shared_ptr<backend::Backend>(std::unique_ptr<backend::Engine>)> make_backend;
    // Step 3, the showing: the machine is over, nothing else is yet.
    std::function<void(std::shared_ptr<backend::Backend>)> show;
  };
  SnapshotInstaller(Parts parts, std::string snap_dir);

  // On the apply executor, between two entries; one at a time. `done` runs there. What can't be installed ends the
  // process: the log says already that it is there.
  void install(std::shared_ptr<backend::Backend> current, const raft::SnapshotMetadata& snapshot,
               Task done);
  // Any thread. An installation under way is given up at its next step; the next start repeats it.
  void stop() { stopped_.store(true, std::memory_order_release); }

 private:
  struct Job;
  void build(std::shared_ptr<Job> job);
  void hand_over(std::shared_ptr<Job> job);
  void go_over(std::shared_ptr<Job> job);
  bool failed(const absl::Status& status, const Job& job);

  Parts parts_;
  const std::string snap_dir_;
  env::Gauge& in_progress_;
  std::atomic<bool> stopped_ = false;
};

}  // namespace holdfast::server
