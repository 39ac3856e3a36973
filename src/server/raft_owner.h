// The owner of the raft node: everything that touches it happens on its executor. Takes proposals, peers' messages,
// ticks and the storage owners' answers; carries out what the node asks for in run_ready(), one short ordered function.
#pragma once

#include <functional>
#include <memory>
#include <vector>

#include "base/log.h"
#include "env/executor.h"
#include "env/metrics.h"
#include "raft/raw_node.h"
#include "raft/storage.h"
#include "server/peers.h"
#include "server/raft_board.h"
#include "server/raft_control.h"
#include "server/read_index.h"
#include "server/wait_table.h"

namespace holdfast::server {

// The two storage threads of raft's asynchronous writes. Both take orders in sequence and give the responses back by
// RaftOwner::on_append_done() and on_apply_done().
class AppendSink {
 public:
  virtual ~AppendSink() = default;
  virtual void append(raft::Message order) = 0;
};
class ApplySink {
 public:
  virtual ~ApplySink() = default;
  virtual void apply(raft::Message order) = 0;
};

// Told on the raft executor.
class LeadershipListener {
 public:
  virtual ~LeadershipListener() = default;
  // `lead` is zero while there is no leader. Called when the leader or this member's role changes.
  virtual void on_leadership(MemberId lead, raft::StateType state) = 0;
};

class RaftOwner : public ReadIndexRequester, public RaftControl {
 public:
  struct Options {
    raft::Config config;  // storage, logger and async_storage_writes are set here
    env::Duration heartbeat_interval;
    Index snapshot_catchup_entries;  // kept in memory behind the applied index for slow followers
    uint64_t held_bytes_max;
    uint64_t compact_every;  // applied entries between two looks at what memory can let go of
  };
  struct Parts {
    env::Executor& executor;
    raft::MemoryStorage& storage;
    raft::Logger& raft_log;
    Logger& log;
    env::Metrics& metrics;
    RaftBoard& board;
    WaitTable& waits;
    RequestIdGenerator& ids;
    Peers& peers;
  };
  RaftOwner(Parts parts, Options options);
  ~RaftOwner() override;

  // Wiring, before start().
  void connect(AppendSink& append, ApplySink& apply, ReadIndex& reads);
  // `show` gets the node's status with every tick, on the executor (HTTP-09).
  void publish_status_to(std::function<void(raft::Status)> show) { show_status_ = std::move(show); }
  // Where raft's MsgSnap go, which must be filled with the state before they can travel. Runs on the executor.
  void send_snapshots_through(std::function<void(raft::Message)> send) { send_snapshot_ = std::move(send); }
  void add_listener(LeadershipListener& listener) { listeners_.push_back(&listener); }

  // For founding a cluster (RAL-15); before start().
  absl::Status bootstrap(const std::vector<raft::Peer>& peers) { return node_.bootstrap(peers); }
  void start();
  // Skips election ticks, once the member need not wait for anybody's silence (OPS-09).
  void advance_ticks(int ticks);
  void stop();

  // The methods below run on the executor; the post_* ones may be called by any thread.
  // `only_as_leader`: fails if this member does not lead when its turn comes.
  void post_proposal(uint64_t id, SharedBytes data, bool only_as_leader = false);
  void post_message(raft::Message message);
  // `taken` runs on the executor when all of them are stepped.
  void post_messages(std::vector<raft::Message> messages, Task taken);
  void post_conf_change(const raft::ConfChange& change);
  void begin_transfer(MemberId to) override;
  void ask_match(MemberId id, env::Executor& reply_on,
                 UniqueFunction<void(absl::StatusOr<Match>)> done) override;
  void on_append_done(raft::Message order);
  // Steps the responses, and forgets what is applied and old enough.
  void on_apply_done(std::vector<raft::Message> responses);
  void apply_conf_change(const raft::ConfChange& change, Index entry);
  void transfer_leader(MemberId to);
  void campaign();
  void request_read_index(uint64_t request_id) override;
  void report_unreachable(MemberId id);
  void report_snapshot(MemberId id, raft::SnapshotStatus status);
  // While set, entries are kept in memory, so that a follower that gets a snapshot finds what follows it (RAFT-18); but no
  // more than Options::held_bytes_max of them: then they go, and that follower will need another snapshot.
  void hold_compaction(bool hold);

  raft::RawNode& node() { return node_; }
  env::Executor& executor() { return executor_; }
  // When this member last became leader; for PUT-10.
  env::Instant leader_elected_at() const { return leader_elected_at_; }

 private:
  struct Proposal {
    uint64_t id;
    raft::EntryType type;
    SharedBytes data;
    bool only_as_leader = false;
  };
  static raft::Config with_parts(raft::Config config, Parts& parts);
  void tick();
  void arm_tick();
  void schedule_ready();
  void run_ready();
  void post(Proposal proposal);
  void step(raft::Message message);
  bool knows_what_is_committed() const;
  absl::StatusOr<Match> match_of(MemberId id) const;
  void submit_proposals();
  void drop_proposals_of_a_leader();
  void show_role_in_configuration();
  void publish(const raft::SoftState& state);
  void ask_for_votes_when_saved(std::vector<raft::Message>& messages);
  void dispatch(std::vector<raft::Message> messages);
  void compact_memory();

  env::Executor& executor_;
  raft::MemoryStorage& storage_;
  Logger& log_;
  RaftBoard& board_;
  WaitTable& waits_;
  Peers& peers_;
  const Options options_;
  raft::RawNode node_;

  AppendSink* append_ = nullptr;
  ApplySink* apply_ = nullptr;
  ReadIndex* reads_ = nullptr;
  std::function<void(raft::Message)> send_snapshot_;
  std::vector<LeadershipListener*> listeners_;
  std::function<void(raft::Status)> show_status_;

  raft::ConfState conf_state_;  // at the applied index
  std::vector<Proposal> proposals_;
  bool ready_scheduled_ = false;
  bool compaction_held_ = false;
  uint64_t held_bytes_ = 0;  // appended since compaction was held, or since it went ahead all the same
  bool stopped_ = false;
  Index compacted_at_;  // applied index at the last compaction of the memory log
  env::TimerId tick_timer_ = 0;
  env::Instant next_tick_;
  env::Instant last_tick_;
  env::Instant leader_elected_at_;

  struct {
    env::Gauge* has_leader;
    env::Gauge* is_leader;
    env::Counter* leader_changes;
    env::Gauge* committed;
    env::Counter* heartbeat_failures;
  } metrics_;
};

}  // namespace holdfast::server
