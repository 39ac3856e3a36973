#include "server/member.h"

#include <cmath>
#include <utility>
#include <vector>

#include "apply/state_machine.h"
#include "backend/backend.h"
#include "base/errors.h"
#include "server/access_control.h"
#include "server/applied_waits.h"
#include "server/apply_owner.h"
#include "server/auto_compactor.h"
#include "server/backend_operations.h"
#include "server/backend_snapshots.h"
#include "server/bootstrap.h"
#include "server/downgrades.h"
#include "server/etcd_data.h"
#include "server/leader_loss.h"
#include "server/leader_transfer.h"
#include "server/lease_checkpointer.h"
#include "server/lease_expirer.h"
#include "server/log_writer.h"
#include "server/member_view.h"
#include "server/membership_changes.h"
#include "server/proposal_timeouts.h"
#include "server/publisher.h"
#include "server/purger.h"
#include "server/raft_log.h"
#include "server/raise_alarm.h"
#include "server/snapshot_import.h"
#include "server/snapshot_installer.h"
#include "server/snapshot_receiver.h"
#include "server/snapshot_saver.h"
#include "server/snapshot_sender.h"
#include "server/startup_defragmentation.h"
#include "server/state_observers.h"
#include "server/storage_version.h"
#include "server/tick_advance.h"
#include "server/watch_publisher.h"
#include "wal/snap_file.h"

namespace holdfast::server {

namespace {

// Founded or reopened: everything that had to be read.
struct Origins {
  DataDirectory directory;
  Log log;
  std::unique_ptr<backend::Engine> engine;
};

absl::StatusOr<Origins> find_origins(const MemberConfig& config, const Member::World& world,
                                     const Member::OpenEngine& open_engine,
                                     std::optional<ClusterOrigin> origin) {
  Origins origins;
  auto directory = prepare_data_directory(world.files, world.log, config);
  if (!directory.ok()) return directory.status();
  origins.directory = *directory;
  if (!directory->has_log && !origin) {
    auto by_flags = origin_by_flags(config);
    if (!by_flags.ok()) return by_flags.status();
    origin = *std::move(by_flags);
  }
  const wal::World wal_world{world.files, world.clock, world.log, world.metrics, world.faults};
  absl::StatusOr<EtcdData> etcd_data = absl::NotFoundError("");
  if (directory->has_etcd_database) {
    etcd_data = examine_etcd_data(wal_world, config);
    if (!etcd_data.ok()) return etcd_data.status();
  }
  // The backend first: its lock is what keeps a second process out before anything is written.
  auto engine = open_engine(config.backend_path());
  if (!engine.ok()) return engine.status();
  origins.engine = *std::move(engine);
  // A log without its backend is refused, so the backend's name must last before there is a log.
  if (absl::Status s = world.files.sync_directory(config.snap_dir()); !s.ok()) return s;
  auto log = directory->has_log ? reopen_log(wal_world, config)
                                : begin_log(wal_world, config, *origin);
  if (!log.ok()) return log.status();
  origins.log = *std::move(log);
  if (etcd_data.ok()) {
    auto taken = take_over_etcd_data(*etcd_data, wal_world, config, origins.log,
                                     std::move(origins.engine));
    if (!taken.ok()) return taken.status();
    origins.engine = *std::move(taken);
  }
  auto recovered = recover_snapshot_backend(world.files, config.snap_dir(), origins.log.snapshot,
                                            std::move(origins.engine), world.log);
  if (!recovered.ok()) return recovered.status();
  origins.engine = *std::move(recovered);
  if (absl::Status s =
          defragment_at_start(*origins.engine, config.bootstrap_defragment_threshold_bytes, world.log);
      !s.ok())
    return s;
  return origins;
}

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

apply::StateMachine::Options machine_options(const MemberConfig& config, MemberId self) {
  apply::StateMachine::Options options;
  options.self = self;
  options.quota_backend_bytes = config.quota_backend_bytes;
  options.warning_apply_duration = config.warning_apply_duration;
  options.max_learners = config.max_learners;
  // LEA-02.
  const double election_seconds = static_cast<double>(config.election_timeout().count()) / 1e9;
  options.lease.ttl_min = static_cast<int64_t>(std::ceil(1.5 * election_seconds));
  options.lease.expired_retry_interval = config.request_timeout();
  options.lease.checkpoints = config.lease_checkpoints;
  options.lease_checkpoint_persist = config.lease_checkpoint_persist;
  options.store = {config.compaction_batch_limit, config.compaction_sleep_interval};
  return options;
}

}  // namespace

// In the order of construction; each may use what stands above it.
struct Member::Parts {
  Parts(const MemberConfig& c, const World& w, const Executors& e, Links l, Log started)
      : config(c),
        world(w),
        executors(e),
        links(std::move(l)),
        log(std::move(started)),
        request_metrics(w.metrics),
        waits(w.clock, request_metrics),
        ids(log.member, w.clock.unix_nanoseconds()),
        raft_log(w.log),
        view(log.member, log.cluster, board),
        backend_snapshots(e.background, w.metrics),
        operations(e.apply, e.background, view, backend_snapshots),
        snapshotter(wal_world(), c.snap_dir()) {}

  // Hubs may hold the feed for longer than its store may live.
  ~Parts() {
    if (watch_feed) watch_feed->close();
  }

  wal::World wal_world() const {
    return {world.files, world.clock, world.log, world.metrics, world.faults};
  }
  std::shared_ptr<backend::Backend> make_backend(std::unique_ptr<backend::Engine> engine) const;
  absl::Status open_state(std::unique_ptr<backend::Engine> engine);
  void show_state(std::shared_ptr<backend::Backend> now);
  absl::Status open_consensus();
  void open_snapshots();
  void open_requests();
  void open_chores(Task ready);
  AskMemberVersions ask_versions(env::Duration timeout);
  void add_peers();
  void stop_owners(Task stopped);

  const MemberConfig config;
  const World world;
  const Executors executors;
  Links links;
  Log log;

  // Published facts and who waits for them.
  RaftBoard board;
  RequestMetrics request_metrics;
  WaitTable waits;
  RequestIdGenerator ids;
  RaftLog raft_log;
  MemberView view;
  BackendSnapshots backend_snapshots;
  BackendOperations operations;

  // The replicated state.
  apply::OpenToAll authorizer;
  std::shared_ptr<backend::Backend> backend;  // shared with the view
  std::unique_ptr<apply::StateMachine> machine;
  std::unique_ptr<StorageVersion> storage_version;
  std::shared_ptr<mvcc::WatchFeed> watch_feed;  // shared with the hubs of the I/O threads
  std::unique_ptr<WatchPublisher> watch_publisher;
  StateObservers observers;

  // Consensus.
  wal::Snapshotter snapshotter;
  std::unique_ptr<raft::MemoryStorage> storage;
  std::unique_ptr<RaftOwner> raft;
  std::unique_ptr<ReadIndex> reads;
  std::unique_ptr<LogWriter> writer;
  std::unique_ptr<ApplyOwner> apply;
  std::unique_ptr<SnapshotSaver> snapshots;
  std::unique_ptr<SnapshotSender> snapshot_sender;
  std::unique_ptr<SnapshotInstaller> snapshot_installer;
  std::unique_ptr<AppliedWaits> applied;
  std::unique_ptr<ProposalTimeouts> timeouts;
  std::unique_ptr<LeaderLoss> leader_loss;

  // Requests.
  OpenAccess access;
  std::unique_ptr<RequestDoor> door;
  std::unique_ptr<ClusterFacts> facts;
  std::unique_ptr<V3Server> v3;
  NoLeaderLessor no_leader_lessor;
  std::unique_ptr<Leadership> leadership;
  std::unique_ptr<LeaseRequests> lease_requests;
  std::unique_ptr<MembershipChanges> membership;
  std::unique_ptr<LeaderTransfer> transfer;
  std::unique_ptr<Downgrades> downgrades;

  std::unique_ptr<CorruptionMonitor> corruption;
  std::unique_ptr<VersionMonitor> versions;
  std::unique_ptr<LeaseExpirer> leases;
  std::vector<std::unique_ptr<Chore>> chores;
  Member::Events events;
};

std::shared_ptr<backend::Backend> Member::Parts::make_backend(
    std::unique_ptr<backend::Engine> engine) const {
  return backend::Backend::make_shared(
      std::move(engine),
      backend::BackendOptions{config.backend_batch_interval, config.backend_batch_limit},
      backend::BackendEnvironment{executors.apply, executors.backend, world.process, world.metrics,
                                  world.log});
}

absl::Status Member::Parts::open_state(std::unique_ptr<backend::Engine> engine) {
  backend = make_backend(std::move(engine));
  auto opened = apply::StateMachine::open(
      *backend, membership::Cluster::provisional(log.cluster, log.known_members),
      machine_options(config, log.member),
      {executors.apply, executors.background, world.process, world.metrics, world.log, authorizer});
  if (!opened.ok()) return opened.status();
  machine = *std::move(opened);
  show_state(backend);
  storage_version =
      std::make_unique<StorageVersion>(*machine, view, [this] { snapshots->force(); });
  watch_feed = std::make_shared<mvcc::WatchFeed>(machine->store(), world.metrics);  // shared with the hubs
  watch_publisher = std::make_unique<WatchPublisher>(watch_feed);
  observers.add(*storage_version);
  observers.add(*watch_publisher);
  machine->set_observer(&observers);
  return absl::OkStatus();
}

void Member::Parts::show_state(std::shared_ptr<backend::Backend> now) {
  backend = std::move(now);
  operations.use(backend);
  view.show(*machine, backend);
}

absl::Status Member::Parts::open_consensus() {
  const auto cluster = machine->cluster();
  const raft::ConfState conf_state =
      cluster->is_established() ? cluster->conf_state() : raft::ConfState{};
  if (config.force_new_cluster && log.reopened)
    if (absl::Status s =
            force_new_cluster(log, world.log, conf_state, machine->consistent_index());
        !s.ok())
      return s;
  auto made =
      make_raft_storage(log, conf_state, machine->consistent_index(), config.backend_path());
  if (!made.ok()) return made.status();
  storage = *std::move(made);
  raft = std::make_unique<RaftOwner>(
      RaftOwner::Parts{executors.raft, *storage, raft_log, world.log, world.metrics, board, waits,
                       ids, links.peers},
      RaftOwner::Options{raft_config(config, log, world.random.next()), config.heartbeat_interval,
                         Index(config.snapshot_catchup_entries), config.held_log_bytes_max,
                         // RAL-17: often enough to keep it short, seldom enough to cost nothing; and with each snapshot.
                         std::min<uint64_t>(config.snapshot_count, 99) + 1});
  if (!log.founders.empty())
    if (absl::Status s = raft->bootstrap(log.founders); !s.ok()) return s;
  reads = std::make_unique<ReadIndex>(executors.raft, ids, board, *raft, world.log, world.metrics,
                                      ReadIndex::Options{config.request_timeout()});
  writer = std::make_unique<LogWriter>(
      LogWriter::Parts{executors.log, executors.background, *log.wal, snapshotter, *raft,
                       links.peers, world.process, world.log},
      log.member);
  apply = std::make_unique<ApplyOwner>(
      ApplyOwner::Parts{executors.apply, *machine, *raft, *reads, waits, board,
                        links.peers, world.log, world.metrics},
      log.member, log.snapshot.index);
  snapshots = std::make_unique<SnapshotSaver>(
      executors.apply, *machine, *writer, world.log, log.snapshot.index,
      SnapshotSaver::Options{config.snapshot_count, log.member});
  apply->add_listener(*watch_publisher);
  apply->add_listener(*snapshots);
  applied = std::make_unique<AppliedWaits>(executors.apply, board);
  apply->add_listener(*applied);
  raft->connect(*writer, *apply, *reads);
  open_snapshots();
  raft->publish_status_to([this](raft::Status status) { view.show_raft_status(std::move(status)); });
  timeouts = std::make_unique<ProposalTimeouts>(
      *raft, waits, board, links.peers,
      ProposalTimeouts::Options{config.election_timeout(), log.member,
                                [this] { return machine->cluster()->voters(); }});
  return absl::OkStatus();
}

// From raft's wish to a message with the state, and from a received one to a new state.
void Member::Parts::open_snapshots() {
  snapshot_sender = std::make_unique<SnapshotSender>(SnapshotSender::Parts{
      executors.apply, *machine, backend_snapshots, *raft, links.peers, world.log,
      Index(config.snapshot_catchup_entries)});
  raft->send_snapshots_through(
      [this](raft::Message message) { snapshot_sender->request(std::move(message)); });
  snapshot_installer = std::make_unique<SnapshotInstaller>(
      SnapshotInstaller::Parts{
          executors.apply, executors.background, world.files, world.process, world.log,
          world.metrics, *machine,
          [this](std::unique_ptr<backend::Engine> engine) { return make_backend(std::move(engine)); },
          [this](std::shared_ptr<backend::Backend> now) { show_state(std::move(now)); }},
      config.snap_dir());
  writer->on_snapshot_saved([this](std::shared_ptr<const raft::Snapshot> snapshot) {
    apply->install(std::move(snapshot));
  });
  apply->install_through([this](const raft::SnapshotMetadata& snapshot, Task done) {
    snapshot_installer->install(backend, snapshot, std::move(done));
  });
}

void Member::Parts::open_requests() {
  leader_loss = std::make_unique<LeaderLoss>(
      LeaderLoss::Parts{*raft, world.log, log.member},
      LeaderLoss::Options{config.election_ticks, config.pre_vote});
  door = std::make_unique<RequestDoor>(
      *raft, *reads, waits, ids, board, world.clock, request_metrics,
      RequestDoor::Options{config.max_request_bytes, config.request_timeout(),
                           config.priority_requests});
  facts = std::make_unique<ClusterFacts>(*door, *door);
  v3 = std::make_unique<V3Server>(
      V3Server::Parts{*door, *door, view, operations, access, ids, world.clock, world.metrics,
                      world.log},
      V3Server::Options{config.max_txn_ops, config.max_request_bytes, config.quota_backend_bytes,
                        config.warning_apply_duration});
  leadership = std::make_unique<Leadership>(board, *door, world.log, log.member,
                                            config.heartbeat_interval);
  lease_requests = std::make_unique<LeaseRequests>(
      LeaseRequests::Parts{machine->leases(), view, *leadership, *applied, *door, access,
                           links.leader_lessor != nullptr ? *links.leader_lessor : no_leader_lessor},
      LeaseRequests::Options{config.fast_lease_keep_alive, config.request_timeout(),
                             config.election_timeout()});
  membership = std::make_unique<MembershipChanges>(
      MembershipChanges::Parts{*door, view, access, *raft, *applied, links.peers, links.remote,
                               world.clock, world.metrics, world.log},
      MembershipChanges::Options{config.strict_reconfig_check, config.request_timeout(),
                                 config.election_timeout()});
  transfer = std::make_unique<LeaderTransfer>(
      LeaderTransfer::Parts{*raft, view, access, links.peers, world.log},
      LeaderTransfer::Options{config.heartbeat_interval, config.request_timeout()});
  downgrades = std::make_unique<Downgrades>(
      Downgrades::Parts{*door, *door, view, access, world.log});
  corruption = std::make_unique<CorruptionMonitor>(
      CorruptionMonitor::Parts{executors.background, view, operations, *door, *door, links.remote, world.log},
      config.corruption_checks, config.request_timeout());
  apply->on_no_space([this](Task answer) {
    raise_alarm(*door, executors.apply, log.member, etcdserverpb::NOSPACE,
                [answer = std::move(answer)](const absl::Status&) mutable { answer(); });
  });
}

AskMemberVersions Member::Parts::ask_versions(env::Duration timeout) {
  return ask_member_versions(view, {executors.background, links.remote, world.log, timeout});
}

void Member::Parts::add_peers() {
  const auto cluster = machine->cluster();
  for (const membership::Member& remote : log.remotes)
    if (remote.id != log.member) links.peers.add_remote(remote.id, remote.peer_urls);
  for (const auto& [id, member] : cluster->members())
    if (id != log.member) links.peers.add(id, member.peer_urls);
}

void Member::Parts::open_chores(Task ready) {
  // A member that is silent must not keep this one from getting ready.
  constexpr env::Duration kPublishAskTimeout = std::chrono::seconds(1);
  auto publisher = std::make_unique<Publisher>(
      Publisher::Parts{executors.background, *facts, view, ask_versions(kPublishAskTimeout),
                       world.log},
      Publisher::Attributes{log.member, log.cluster, config.name, config.advertise_client_urls},
      config.request_timeout(), std::move(ready));
  apply->add_listener(*publisher);
  chores.push_back(std::move(publisher));
  chores.push_back(std::make_unique<DowngradeMonitor>(
      DowngradeMonitor::Parts{executors.background, *door, view,
                              ask_versions(config.request_timeout()), world.log},
      config.downgrade_check_time, config.request_timeout()));
  if (config.initial_election_tick_advance && machine->cluster()->members().size() > 1)
    chores.push_back(std::make_unique<TickAdvance>(
        TickAdvance::Parts{*raft, view, links.peers, world.log}, config.election_ticks));
  chores.push_back(std::make_unique<AutoCompactor>(
      AutoCompactor::Parts{executors.background, *door,
                           [this] { return view.store()->current_revision(); },
                           [this] { return board.is_leader(); }, world.log},
      config.auto_compaction));
  chores.push_back(std::make_unique<LeaseCheckpointer>(LeaseCheckpointer::Parts{
      executors.apply, machine->leases(), *leadership, *door, world.log}));
  chores.push_back(std::make_unique<Purger>(
      executors.background, world.files, world.process, world.log,
      Purger::Options{config.wal_path(), config.snap_dir(), static_cast<size_t>(config.max_wals),
                      static_cast<size_t>(config.max_snapshots)}));
}

bool Member::has_log(env::FileSystem& files, const MemberConfig& config) {
  return wal::exists(files, config.wal_path());
}

Member::Member(std::unique_ptr<Parts> parts) : parts_(std::move(parts)) {}
Member::~Member() = default;

absl::StatusOr<std::unique_ptr<Member>> Member::open(const MemberConfig& config, const World& world,
                                                     const Executors& executors,
                                                     const OpenEngine& open_engine, Links links,
                                                     std::optional<ClusterOrigin> origin) {
  auto origins = find_origins(config, world, open_engine, std::move(origin));
  if (!origins.ok()) return origins.status();
  auto parts = std::make_unique<Parts>(config, world, executors, std::move(links),
                                       std::move(origins->log));
  if (absl::Status s = parts->snapshotter.remove_leftovers(); !s.ok()) return s;
  if (absl::Status s = parts->open_state(std::move(origins->engine)); !s.ok()) return s;
  // What was installed before a crash could remove it.
  if (absl::Status s = parts->snapshotter.release_databases(parts->machine->consistent_index() + 1);
      !s.ok())
    return s;
  if (absl::Status s = parts->open_consensus(); !s.ok()) return s;
  parts->open_requests();
  Parts& p = *parts;
  p.versions = std::make_unique<VersionMonitor>(
      VersionMonitor::Parts{executors.background, *p.facts, p.view,
                            p.ask_versions(config.request_timeout()), world.log},
      config.request_timeout());
  p.leases = std::make_unique<LeaseExpirer>(executors.apply, p.machine->leases(), *p.leadership,
                                            *p.door, world.log, world.metrics,
                                            config.election_timeout());
  p.apply->add_listener(*p.leases);
  p.raft->add_listener(*p.leases);
  return std::unique_ptr<Member>(new Member(std::move(parts)));
}

namespace {
// Starts what waits for the first commit of a term.
class FirstCommit : public Chore, public ApplyListener {
 public:
  FirstCommit(VersionMonitor& versions, Task& removed) : versions_(versions), removed_(removed) {}
  std::string_view name() const override { return "first-commit"; }
  void start() override {}
  void stop() override {}
  void on_first_commit_in_term(bool leading) override {
    if (leading) versions_.check_soon();
  }
  void on_removed_from_cluster() override {
    if (removed_) std::exchange(removed_, nullptr)();
  }

 private:
  VersionMonitor& versions_;
  Task& removed_;
};
}  // namespace

void Member::check_for_corruption(UniqueFunction<void(absl::Status)> done) {
  Parts& p = *parts_;
  if (p.config.corruption_checks.initial && p.log.reopened) return p.corruption->check_initially(std::move(done));
  p.executors.background.post([done = std::move(done)]() mutable { done(absl::OkStatus()); });
}

void Member::start(Events events) {
  Parts& p = *parts_;
  p.events = std::move(events);
  auto first_commit = std::make_unique<FirstCommit>(*p.versions, p.events.removed);
  p.apply->add_listener(*first_commit);
  p.chores.push_back(std::move(first_commit));
  p.open_chores(std::move(p.events.ready));
  p.add_peers();
  // OPS-09: a cluster of one need not wait for anybody's silence. Where etcd skips one election timeout less a tick, and
  // then waits for what chance adds to it, half a second on average, this skips the longest that can be drawn.
  const bool alone = p.machine->cluster()->members().size() <= 1;
  p.executors.raft.post([&p, alone] {
    p.raft->start();
    if (alone) p.raft->advance_ticks(2 * p.config.election_ticks - 1);
    p.timeouts->start();
  });
  p.corruption->start();
  p.versions->start();
  p.leases->start();
  for (auto& chore : p.chores) chore->start();
}

void Member::stop(Task stopped) {
  Parts& p = *parts_;
  p.executors.background.post([&p, stopped = std::move(stopped)]() mutable {
    p.transfer->hand_over(p.executors.background,
                          [&p, stopped = std::move(stopped)](const absl::Status& status) mutable {
                            if (!status.ok())
                              p.world.log.warn("leadership transfer failed",
                                               {{"local-member-id", p.log.member},
                                                {"error", message(status)}});
                            p.stop_owners(std::move(stopped));
                          });
  });
}

void Member::Parts::stop_owners(Task stopped) {
  Parts& p = *this;
  for (auto& chore : p.chores) chore->stop();
  p.corruption->stop();
  p.versions->stop();
  p.leases->stop();
  p.snapshot_installer->stop();
  p.backend_snapshots.close();
  // Nobody may wait for what will not happen any more; then the owners, from the front of the path to its end.
  p.waits.close(error(EtcdError::stopped));
  p.executors.raft.post([&p, stopped = std::move(stopped)]() mutable {
    p.reads->close(error(EtcdError::stopped));
    p.timeouts->stop();
    p.raft->stop();
    p.executors.log.post([&p, stopped = std::move(stopped)]() mutable {
      p.writer->stop();
      p.executors.apply.post([&p, stopped = std::move(stopped)]() mutable {
        p.apply->stop();
        p.applied->stop();
        p.watch_feed->close();
        p.snapshot_sender->stop();
        p.backend->close(std::move(stopped));
      });
    });
  });
}

ClusterServices Member::cluster_services() {
  return {*parts_->membership, *parts_->transfer, *parts_->downgrades};
}

V3Server& Member::v3() { return *parts_->v3; }
LeaseRequests& Member::leases() { return *parts_->lease_requests; }
const MemberInfo& Member::info() const { return parts_->view; }
const std::shared_ptr<mvcc::WatchFeed>& Member::watch_feed() { return parts_->watch_feed; }  // shared with the hubs
RequestDoor& Member::door() { return *parts_->door; }
RequestIdGenerator& Member::request_ids() { return parts_->ids; }
MemberOperations& Member::operations() { return parts_->operations; }

void Member::receive(raft::Message message) {
  // A snapshot without its state would be in the log, and could never be installed.
  if (message.type == raft::MessageType::snap)
    return parts_->world.log.warn("dropped a snapshot message without a database",
                                  {{"from", message.from}});
  parts_->raft->post_message(std::move(message));
}

void Member::receive(std::vector<raft::Message> messages, Task taken) {
  std::erase_if(messages, [](const raft::Message& m) { return m.type == raft::MessageType::snap; });
  parts_->raft->post_messages(std::move(messages), std::move(taken));
}

absl::Status Member::receive_snapshot(raft::Message message, const std::string& received_path) {
  Parts& p = *parts_;
  if (absl::Status s = place_received_database(p.world.files, p.config.snap_dir(), received_path,
                                               message.snapshot ? message.snapshot->metadata.index
                                                                : Index(0));
      !s.ok())
    return s;
  p.raft->post_message(std::move(message));
  return absl::OkStatus();
}

void Member::report_unreachable(MemberId id) {
  parts_->executors.raft.post([raft = parts_->raft.get(), id] { raft->report_unreachable(id); });
}

void Member::report_gone(MemberId id) {
  parts_->executors.raft.post([loss = parts_->leader_loss.get(), id] { loss->on_gone(id); });
}

void Member::report_snapshot(MemberId id, raft::SnapshotStatus status) {
  parts_->executors.raft.post(
      [raft = parts_->raft.get(), id, status] { raft->report_snapshot(id, status); });
  parts_->snapshot_sender->report(id, status);
}

const raft::RawNode& Member::node() const { return parts_->raft->node(); }

}  // namespace holdfast::server
