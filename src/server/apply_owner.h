// The owner of the replicated state: applies committed entries in order and answers who waits for them (steps 9 and 10
// of the Put path; etcd applyAll, applyEntryNormal, applyConfChange). One executor; the state machine, the store's write
// side and the backend's are touched on it alone.
#pragma once

#include <deque>
#include <functional>
#include <memory>
#include <vector>

#include "apply/state_machine.h"
#include "backend/backend.h"
#include "base/log.h"
#include "env/executor.h"
#include "env/metrics.h"
#include "server/peers.h"
#include "server/raft_board.h"
#include "server/raft_owner.h"
#include "server/wait_table.h"

namespace holdfast::server {

// Told on the apply executor.
class ApplyListener {
 public:
  virtual ~ApplyListener() = default;
  // The answers to what was applied since the last call go out next; what is to reach their executors in the same turn
  // is handed over now.
  virtual void before_answers() {}
  // After each batch, when everything up to `index` can be read.
  virtual void on_applied(Index index, Term term) {}
  // The first entry of a leader's term is applied; `leading` if the leader is this member.
  virtual void on_first_commit_in_term(bool leading) {}
  virtual void on_removed_from_cluster() {}
  // The state is now the one that a snapshot brought: everything up to `index`, without its entries having been seen.
  virtual void on_installed(Index index) {}
};

class ApplyOwner : public ApplySink {
 public:
  struct Parts {
    env::Executor& executor;
    apply::StateMachine& machine;
    RaftOwner& raft;
    ReadIndex& reads;
    WaitTable& waits;
    RaftBoard& board;
    Peers& peers;
    Logger& log;
    env::Metrics& metrics;
  };
  // `applied`: the raft log's snapshot that it starts from; entries after it are handed in again after a restart, and
  // those up to the backend's consistent index change nothing (PUT-16).
  ApplyOwner(Parts parts, MemberId self, Index applied);

  // Called on the executor when a write found no room although the alarm is not raised (PUT-14): raises it through the
  // log, then runs `answer`, whatever came of it.
  void on_no_space(std::function<void(Task answer)> raise) { raise_no_space_ = std::move(raise); }
  // Called on the executor when it is a snapshot's turn; `done` must run there when the state machine has gone over.
  using Install = std::function<void(const raft::SnapshotMetadata&, Task done)>;
  void install_through(Install install) { install_ = std::move(install); }
  void add_listener(ApplyListener& listener) { listeners_.push_back(&listener); }
  // Thread-safe.
  void apply(raft::Message order) override;
  // Thread-safe. A snapshot that replaces the state, in order with apply().
  void install(std::shared_ptr<const raft::Snapshot> snapshot);
  // On the executor.
  void stop();

 private:
  struct ConfResult {
    uint64_t id;
    std::unique_ptr<apply::Result> result;
  };
  void run();
  void begin_install(const raft::SnapshotMetadata& snapshot);
  void finish_install(const raft::SnapshotMetadata& snapshot);
  void carry_out(raft::Message& order);
  void apply_entry(const raft::Entry& entry);
  void apply_normal(const raft::Entry& entry);
  void apply_conf_change(const raft::Entry& entry);
  void answer();
  void tell_peers(const apply::ConfChangeOutcome& outcome);
  void finish(raft::Message order);

  Parts parts_;
  const MemberId self_;
  env::Gauge& applied_total_;
  std::function<void(Task)> raise_no_space_;
  Install install_;
  std::vector<ApplyListener*> listeners_;
  std::deque<raft::Message> orders_;
  // A task to go on is queued, or will be when the backend has room or a snapshot is installed.
  bool running_ = false;
  Term term_begun_{0};  // whose first entry was applied last
  bool stopped_ = false;
  Index applied_;
  Term applied_term_;
  std::vector<WaitTable::Answer> answers_;  // of what was applied just now
  std::vector<ConfResult> conf_results_;  // of the order under way
};

}  // namespace holdfast::server
