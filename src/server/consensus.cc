#include "server/consensus.h"

#include <algorithm>
#include <utility>

#include "server/bootstrap.h"

namespace holdfast::server {

namespace {

raft::Config raft_config(const MemberConfig& config, const Log& log, uint64_t seed) {
  raft::Config raft;
  raft.id = log.member;
  raft.election_tick = config.election_ticks;
  raft.heartbeat_tick = 1;
  raft.random_seed = seed;
  raft.max_size_per_message = config.raft_max_size_per_message;
  raft.max_inflight_messages = config.raft_max_inflight_messages;
  raft.check_quorum = true;
  raft.pre_vote = config.pre_vote;
  return raft;
}

RaftOwner::Options owner_options(const MemberConfig& config, raft::Config raft) {
  // RAL-17: often enough to keep it short, seldom enough to cost nothing; and with each snapshot.
  constexpr uint64_t kCompactEvery = 100;
  return {std::move(raft), config.heartbeat_interval, Index(config.snapshot_catchup_entries),
          config.held_log_bytes_max, std::min<uint64_t>(config.snapshot_count, kCompactEvery - 1) + 1};
}

}  // namespace

absl::Status Consensus::open() {
  if (absl::Status s = snapshotter_.remove_leftovers(); !s.ok()) return s;
  // What was installed before a crash could remove it.
  if (absl::Status s = snapshotter_.release_databases(state_.machine->consistent_index() + 1); !s.ok()) return s;
  if (absl::Status s = open_raft(); !s.ok()) return s;
  open_apply();
  raft->connect(*writer_, *apply, *reads);
  open_snapshots();
  raft->publish_status_to([this](raft::Status status) { facts_.view.show_raft_status(std::move(status)); });
  timeouts_ = std::make_unique<ProposalTimeouts>(
      *raft, facts_.waits, facts_.board, given_.links.peers,
      ProposalTimeouts::Options{given_.config.election_timeout(), given_.log.member,
                                [this] { return state_.machine->cluster()->voters(); }});
  leader_loss = std::make_unique<LeaderLoss>(LeaderLoss::Parts{*raft, given_.world.log, given_.log.member},
                                             LeaderLoss::Options{given_.config.election_ticks, given_.config.pre_vote});
  return absl::OkStatus();
}

absl::Status Consensus::open_raft() {
  const auto& [config, world, executors, links, log] = given_;
  const auto cluster = state_.machine->cluster();
  const raft::ConfState conf_state = cluster->is_established() ? cluster->conf_state() : raft::ConfState{};
  const Index applied_before = state_.machine->consistent_index();
  if (config.force_new_cluster && log.reopened)
    if (absl::Status s = force_new_cluster(given_.log, world.log, conf_state, applied_before); !s.ok()) return s;
  auto made = make_raft_storage(given_.log, conf_state, applied_before, config.backend_path());
  if (!made.ok()) return made.status();
  storage_ = *std::move(made);
  raft = std::make_unique<RaftOwner>(
      RaftOwner::Parts{executors.raft, *storage_, facts_.raft_log, world.log, world.metrics, facts_.board, facts_.waits,
                       facts_.ids, links.peers},
      owner_options(config, raft_config(config, log, world.random.next())));
  if (!log.founders.empty())
    if (absl::Status s = raft->bootstrap(log.founders); !s.ok()) return s;
  facts_.board.set_committed(raft->node().committed());  // the founders, now
  reads = std::make_unique<ReadIndex>(executors.raft, facts_.ids, facts_.board, *raft, world.log, world.metrics,
                                      ReadIndex::Options{config.request_timeout()});
  writer_ = std::make_unique<LogWriter>(LogWriter::Parts{executors.log, executors.background, *log.wal, snapshotter_,
                                                         *raft, links.peers, world.process, world.log},
                                        log.member);
  return absl::OkStatus();
}

void Consensus::open_apply() {
  const auto& [config, world, executors, links, log] = given_;
  apply = std::make_unique<ApplyOwner>(
      ApplyOwner::Parts{executors.apply, *state_.machine, *raft, *reads, facts_.waits, facts_.board, links.peers,
                        world.log, world.metrics},
      log.member, log.snapshot.index);
  snapshots_ = std::make_unique<SnapshotSaver>(executors.apply, *state_.machine, *writer_, world.log, log.snapshot.index,
                                               SnapshotSaver::Options{config.snapshot_count, log.member});
  state_.on_cluster_version_lowered([this] { snapshots_->force(); });
  apply->add_listener(*state_.watch_publisher);
  apply->add_listener(*snapshots_);
  applied = std::make_unique<AppliedWaits>(executors.apply, facts_.board);
  apply->add_listener(*applied);
}

// From raft's wish to a message with the state, and from a received one to a new state.
void Consensus::open_snapshots() {
  const auto& [config, world, executors, links, log] = given_;
  snapshot_sender = std::make_unique<SnapshotSender>(
      SnapshotSender::Parts{executors.apply, *state_.machine, facts_.backend_snapshots, *raft, links.peers, world.log,
                            Index(config.snapshot_catchup_entries)});
  raft->send_snapshots_through([this](raft::Message message) { snapshot_sender->request(std::move(message)); });
  snapshot_installer_ = std::make_unique<SnapshotInstaller>(
      SnapshotInstaller::Parts{
          executors.apply, executors.background, world.files, world.process, world.log, world.metrics, *state_.machine,
          [this](std::unique_ptr<backend::Engine> engine) { return state_.make_backend(std::move(engine)); },
          [this](std::shared_ptr<backend::Backend> now) { state_.show(std::move(now)); }},
      config.snap_dir());
  writer_->on_snapshot_saved(
      [this](std::shared_ptr<const raft::Snapshot> snapshot) { apply->install(std::move(snapshot)); });
  apply->install_through([this](const raft::SnapshotMetadata& snapshot, Task done) {
    snapshot_installer_->install(state_.backend, snapshot, std::move(done));
  });
}

void Consensus::start() {
  given_.executors.raft.post([this] {
    raft->start();
    timeouts_->start();
  });
}

void Consensus::stop(Task stopped) {
  snapshot_installer_->stop();
  facts_.backend_snapshots.close();
  // Nobody may wait for what will not happen any more; then the owners, from the front of the path to its end.
  facts_.waits.close(error(EtcdError::stopped));
  given_.executors.raft.post([this, stopped = std::move(stopped)]() mutable {
    reads->close(error(EtcdError::stopped));
    timeouts_->stop();
    raft->stop();
    given_.executors.log.post([this, stopped = std::move(stopped)]() mutable {
      writer_->stop();
      given_.executors.apply.post([this, stopped = std::move(stopped)]() mutable {
        apply->stop();
        applied->stop();
        state_.watch_feed->close();
        snapshot_sender->stop();
        state_.backend->close(std::move(stopped));
      });
    });
  });
}

}  // namespace holdfast::server
