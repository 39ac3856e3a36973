#include "server/member.h"

#include <utility>
#include <vector>

#include "base/errors.h"
#include "server/consensus.h"
#include "server/member_chores.h"
#include "server/member_givens.h"
#include "server/member_origins.h"
#include "server/member_services.h"
#include "server/replicated_state.h"
#include "server/snapshot_receiver.h"
#include "wal/wal.h"

namespace holdfast::server {

// In the order in which they are made; each may use what stands above it.
struct Member::Parts {
  Parts(const MemberConfig& c, const World& w, const Executors& e, Links l, Log started)
      : given{c, w, e, std::move(l), std::move(started)}, facts(given), state(given, facts), consensus(given, facts, state) {}

  MemberGivens given;
  MemberFacts facts;
  ReplicatedState state;
  Consensus consensus;
  std::unique_ptr<MemberServices> services;
  std::unique_ptr<MemberChores> chores;
};

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
  auto parts = std::make_unique<Parts>(config, world, executors, std::move(links), std::move(origins->log));
  auto& [given, facts, state, consensus, services, chores] = *parts;
  if (absl::Status s = state.open(std::move(origins->engine)); !s.ok()) return s;
  if (absl::Status s = consensus.open(); !s.ok()) return s;
  services = std::make_unique<MemberServices>(given, facts, state, consensus);
  chores = std::make_unique<MemberChores>(given, facts, state, consensus, *services);
  return std::unique_ptr<Member>(new Member(std::move(parts)));
}

void Member::check_for_corruption(UniqueFunction<void(absl::Status)> done) {
  parts_->chores->check_for_corruption(std::move(done));
}

void Member::start(Events events) {
  auto& [given, facts, state, consensus, services, chores] = *parts_;
  chores->listen(std::move(events));
  const auto cluster = state.machine->cluster();
  const MemberId self = given.log.member;
  for (const membership::Member& remote : given.log.remotes)
    if (remote.id != self) given.links.peers.add_remote(remote.id, remote.peer_urls);
  for (const auto& [id, member] : cluster->members())
    if (id != self) given.links.peers.add(id, member.peer_urls);
  consensus.start();
  chores->start();
}

void Member::stop(Task stopped) {
  Parts& p = *parts_;
  env::Executor& background = p.given.executors.background;
  background.post([&p, &background, stopped = std::move(stopped)]() mutable {
    p.services->transfer.hand_over(
        background, [&p, stopped = std::move(stopped)](const absl::Status& status) mutable {
          if (!status.ok())
            p.given.world.log.warn("leadership transfer failed", {{"local-member-id", p.given.log.member},
                                                                  {"error", message(status)}});
          p.chores->stop();
          p.consensus.stop(std::move(stopped));
        });
  });
}

ClusterServices Member::cluster_services() {
  MemberServices& services = *parts_->services;
  return {services.membership, services.transfer, services.downgrades};
}

V3Server& Member::v3() { return parts_->services->v3; }
LeaseRequests& Member::leases() { return parts_->services->leases; }
const MemberInfo& Member::info() const { return parts_->facts.view; }
const std::shared_ptr<mvcc::WatchFeed>& Member::watch_feed() { return parts_->state.watch_feed; }  // shared with the hubs
RequestDoor& Member::door() { return parts_->services->door; }
RequestIdGenerator& Member::request_ids() { return parts_->facts.ids; }
MemberOperations& Member::operations() { return parts_->facts.operations; }

void Member::receive(raft::Message message) {
  // A snapshot without its state would be in the log, and could never be installed.
  if (message.type == raft::MessageType::snap)
    return parts_->given.world.log.warn("dropped a snapshot message without a database", {{"from", message.from}});
  parts_->consensus.raft->post_message(std::move(message));
}

void Member::receive(std::vector<raft::Message> messages, Task taken) {
  std::erase_if(messages, [](const raft::Message& m) { return m.type == raft::MessageType::snap; });
  parts_->consensus.raft->post_messages(std::move(messages), std::move(taken));
}

absl::Status Member::receive_snapshot(raft::Message message, const std::string& received_path) {
  const MemberGivens& given = parts_->given;
  const Index index = message.snapshot ? message.snapshot->metadata.index : Index(0);
  if (absl::Status s = place_received_database(given.world.files, given.config.snap_dir(), received_path, index); !s.ok())
    return s;
  parts_->consensus.raft->post_message(std::move(message));
  return absl::OkStatus();
}

void Member::report_unreachable(MemberId id) {
  parts_->given.executors.raft.post([raft = parts_->consensus.raft.get(), id] { raft->report_unreachable(id); });
}

void Member::report_gone(MemberId id) {
  parts_->given.executors.raft.post([loss = parts_->consensus.leader_loss.get(), id] { loss->on_gone(id); });
}

void Member::report_snapshot(MemberId id, raft::SnapshotStatus status) {
  parts_->given.executors.raft.post(
      [raft = parts_->consensus.raft.get(), id, status] { raft->report_snapshot(id, status); });
  parts_->consensus.snapshot_sender->report(id, status);
}

const raft::RawNode& Member::node() const { return parts_->consensus.raft->node(); }

}  // namespace holdfast::server
