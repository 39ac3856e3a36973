// The replicated state machine: what committed entries do to the store, leases, alarms and members (etcd
// etcdserver/apply; parity PUT-13..18, CLU-05, MNT-01..03). Belongs to the apply owner and runs on its executor; what
// other threads may use says so. Never waits.
//
// Per entry, in log order:
//   const bool should_apply = machine.begin_entry(index, term);
//   normal entry with a payload:  auto& request = machine.parse(entry);  auto result = machine.apply(request, {...});
//   conf change:                  auto outcome = machine.apply_conf_change(change, should_apply);
//   backend.entry_boundary();
// What the entry changed, and its index and term, are then in one batch of the backend (TRP-54): after a crash it is all
// there or none of it, and entries up to the consistent index change nothing when they are handed in again (PUT-16).
//
// Deterministic: the same log gives the same store, buckets and answers on every member. Time is used for metrics, slow
// apply warnings and the primary lessor's expiries only.
#pragma once

#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "apply/alarm_store.h"
#include "apply/authorizer.h"
#include "apply/guarded_lessor.h"
#include "apply/parsed_request.h"
#include "apply/quota.h"
#include "apply/result.h"
#include "backend/backend.h"
#include "base/log.h"
#include "env/executor.h"
#include "env/metrics.h"
#include "env/process.h"
#include "lease/lessor.h"
#include "membership/cluster.h"
#include "mvcc/store.h"
#include "raft/types.h"

namespace holdfast::apply {

struct ApplyMetrics;

// Told on the apply executor, inside apply(): must not call back into the state machine's changing methods.
class StateObserver {
 public:
  virtual ~StateObserver() = default;
  // A write transaction ended: what watchers must be told. Valid during the call.
  virtual void on_changes(Revision revision, const std::vector<mvcc::Change>& changes) {}
  // install() went over to this store; shared with its readers.
  virtual void on_store_installed(const std::shared_ptr<mvcc::Store>& store) {}
  virtual void on_lease_revoked(LeaseId id) {}                                    // LEA-08
  virtual void on_alarms_changed() {}
  virtual void on_cluster_changed(const std::shared_ptr<const membership::Cluster>& cluster) {}
  // The cluster's version went down: take a snapshot, so that the older version need not read newer entries (VER-08).
  virtual void on_cluster_version_lowered() {}
};

// What a conf change came to.
struct ConfChangeOutcome {
  enum class Effect : uint8_t { none, added, promoted, removed, updated };
  // For the proposer: OK, or why it was refused (CLU-05).
  absl::Status status;
  // Raft must apply `for_raft` if tell_raft (a refused change with node_id 0, so that it changes nothing; MEM-06). Not
  // told of changes that are already in the backend (MEM-07).
  bool tell_raft = false;
  raft::ConfChange for_raft;
  // What the transport must do. Also set for changes that were applied before a restart.
  Effect effect = Effect::none;
  MemberId member;
  std::vector<std::string> peer_urls;  // of an added or updated member
  bool removed_self = false;           // MEM-15
};

class StateMachine {
 public:
  struct Options {
    MemberId self;
    membership::Version server_version{3, 7, 1, {}};
    int64_t quota_backend_bytes = 0;  // --quota-backend-bytes
    env::Duration warning_apply_duration = std::chrono::milliseconds(100);
    int max_learners = 1;
    lease::Options lease;
    bool lease_checkpoint_persist = false;  // gate LeaseCheckpointPersist; always on from cluster version 3.6
    mvcc::StoreOptions store;
  };
  struct Environment {
    env::Executor& owner;       // the apply owner's
    env::Executor& background;  // compaction
    env::Process& process;
    env::Metrics& metrics;
    Logger& log;
    const Authorizer& authorizer;
  };

  // Opens the store and takes over leases, alarms and members, in the order of BKT-16. `members`: what is known from
  // flags (Cluster::provisional) or just the cluster's id; if the backend knows members, they alone count. Errors:
  // DataLoss for records that can't be read, FailedPrecondition if the server is older than its cluster (VER-02).
  // The backend outlives the state machine and every store() taken from it: a shared one is kept alive by them. Sets the
  // backend's commit hook.
  static absl::StatusOr<std::unique_ptr<StateMachine>> open(backend::Backend& backend,
                                                            membership::Cluster members,
                                                            const Options& options,
                                                            const Environment& environment);
  ~StateMachine();
  StateMachine(const StateMachine&) = delete;
  StateMachine& operator=(const StateMachine&) = delete;

  void set_observer(StateObserver* observer) { observer_ = observer; }  // null: none

  // Goes over to a backend that a snapshot brought, between two entries (BKT-16). The old store goes with its last
  // reader, and if it is a shared one, the old backend with it. The lessor stays primary or not as it was demoted: not primary.
  absl::Status install(backend::Backend& backend);

  // --- entries ---

  // The entries that come next, at most kExpectedMax: what they look up is asked for at the same time. For speed only.
  static constexpr size_t kExpectedMax = mvcc::Store::kExpectedMax;
  void expect(const raft::Entry* entries, size_t count);
  // True if the backend doesn't have this entry yet: "should apply v3".
  bool begin_entry(Index index, Term term);
  Index consistent_index() const { return Index(consistent_.index); }
  Term consistent_term() const { return Term(consistent_.term); }

  // The payload of a normal entry, not empty. Valid until the next call; points into the entry's data. A payload that
  // is no request ends the process: the log is broken, or written by a version that we can't follow.
  const ParsedRequest& parse(const raft::Entry& entry);

  struct ApplyOptions {
    bool should_apply = true;
    bool has_waiter = false;
  };
  // What the proposer is to be told. Null if there is nothing to tell: the entry was applied before, or nobody waits
  // and the status is not no_space (which every member acts upon, waiting or not: PUT-14). Besides the commands' own
  // errors the status may be corrupt or no_space (MNT-03) or the authorizer's.
  std::unique_ptr<Result> apply(const ParsedRequest& request, const ApplyOptions& options);

  ConfChangeOutcome apply_conf_change(const raft::ConfChange& change, bool should_apply);

  bool no_space_alarm() const { return alarms_.has_nospace(); }

  // --- parts ---

  backend::Backend& backend() { return *backend_; }
  // Apply owner. Let go of by any thread: the store is then destroyed on the apply executor.
  const std::shared_ptr<mvcc::Store>& store() const { return store_; }
  GuardedLessor& leases() { return leases_; }          // see there
  const AlarmStore& alarms() const { return alarms_; } // see there
  const Quota& quota() const { return quota_; }        // any thread
  // Any thread. An immutable copy, replaced when something changes.
  std::shared_ptr<const membership::Cluster> cluster() const;

 private:
  StateMachine(membership::Cluster members, const Options& options, const Environment& environment);
  absl::Status load(backend::Backend& backend);
  absl::Status load_leases(backend::ReadView& view);
  absl::Status load_members(backend::ReadView& view);
  void save_progress(backend::Backend& backend);
  void show_cluster();
  void write(const membership::RecordChanges& records);

  absl::Status refuse(const ParsedRequest& request) const;
  bool dispatch_always(const ParsedRequest& request, bool should_apply);
  void dispatch(const ParsedRequest& request, bool has_waiter, Result& result);
  void report(const ParsedRequest& request, env::Duration took, const Result& result);

  // One file each.
  void apply_range(const ParsedRequest& request, Result& result);
  void apply_put(const ParsedRequest& request, bool has_waiter, Result& result);
  void apply_delete_range(const ParsedRequest& request, bool has_waiter, Result& result);
  void apply_txn(const ParsedRequest& request, bool has_waiter, Result& result);
  void apply_compaction(const ParsedRequest& request, bool has_waiter, Result& result);
  void apply_lease_grant(const ParsedRequest& request, bool has_waiter, Result& result);
  void apply_lease_revoke(const ParsedRequest& request, bool has_waiter, Result& result);
  void apply_lease_checkpoint(const ParsedRequest& request, bool has_waiter, Result& result);
  void apply_alarm(const ParsedRequest& request, bool has_waiter, Result& result);
  void apply_cluster_version(const ParsedRequest& request, bool should_apply);
  void apply_member_attributes(const ParsedRequest& request, bool should_apply);
  void apply_downgrade(const ParsedRequest& request, bool should_apply);
  void apply_added(const raft::ConfChange& change, bool should_apply, ConfChangeOutcome& outcome);
  void apply_removed(const raft::ConfChange& change, bool should_apply, ConfChangeOutcome& outcome);
  void apply_updated(const raft::ConfChange& change, bool should_apply, ConfChangeOutcome& outcome);
  void end(mvcc::WriteTxn& txn);

  const Options options_;
  const Environment environment_;
  const Quota quota_;
  const std::unique_ptr<ApplyMetrics> metrics_;
  StateObserver* observer_ = nullptr;

  backend::Backend* backend_ = nullptr;
  GuardedLessor leases_;
  std::shared_ptr<mvcc::Store> store_;  // shared with readers on other threads
  AlarmStore alarms_;
  membership::Cluster cluster_;
  bool conf_state_changed_ = false;
  backend::ConsistentIndex consistent_;  // of the entry under way, or the last one applied
  ParsedRequest request_;

  mutable std::mutex shown_mutex_;  // guards shown_
  std::shared_ptr<const membership::Cluster> shown_;  // shared with readers
};

}  // namespace holdfast::apply
