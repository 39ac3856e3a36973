#include "server/member_chores.h"

#include <utility>

#include "server/auto_compactor.h"
#include "server/lease_checkpointer.h"
#include "server/lease_expirer.h"
#include "server/lone_start.h"
#include "server/publisher.h"
#include "server/purger.h"
#include "server/tick_advance.h"
#include "server/version_monitor.h"

namespace holdfast::server {

namespace {

// Starts what waits for the first commit of a term; tells who was removed.
class FirstCommit : public Chore, public ApplyListener {
 public:
  FirstCommit(VersionMonitor& versions, Task removed) : versions_(versions), removed_(std::move(removed)) {}

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
  Task removed_;
};

}  // namespace

template <class C>
C& MemberChores::add(std::unique_ptr<C> chore) {
  C& added = *chore;
  chores_.push_back(std::move(chore));
  return added;
}

MemberChores::MemberChores(const MemberGivens& given, MemberFacts& facts, ReplicatedState& state, Consensus& consensus,
                           MemberServices& services)
    : given_(given),
      facts_(facts),
      state_(state),
      consensus_(consensus),
      services_(services),
      corruption_(add(std::make_unique<CorruptionMonitor>(
          CorruptionMonitor::Parts{given.executors.background, facts.view, facts.operations, services.door,
                                   services.door, given.links.remote, given.world.log},
          given.config.corruption_checks, given.config.request_timeout()))) {}

AskMemberVersions MemberChores::ask_versions(env::Duration timeout) {
  return ask_member_versions(facts_.view, {given_.executors.background, given_.links.remote, given_.world.log, timeout});
}

void MemberChores::check_for_corruption(UniqueFunction<void(absl::Status)> done) {
  if (given_.config.corruption_checks.initial && given_.log.reopened)
    return corruption_.check_initially(std::move(done));
  given_.executors.background.post([done = std::move(done)]() mutable { done(absl::OkStatus()); });
}

void MemberChores::listen(Member::Events events) {
  const auto& [config, world, executors, links, log] = given_;
  auto& versions = add(std::make_unique<VersionMonitor>(
      VersionMonitor::Parts{executors.background, services_.cluster_facts, facts_.view,
                            links.peers, ask_versions(config.request_timeout()), world.log},
      config.request_timeout()));
  auto& leases = add(std::make_unique<LeaseExpirer>(executors.apply, state_.machine->leases(), services_.leadership,
                                                    services_.door, world.log, world.metrics,
                                                    config.election_timeout()));
  consensus_.apply->add_listener(leases);
  consensus_.raft->add_listener(leases);
  consensus_.apply->add_listener(add(std::make_unique<FirstCommit>(versions, std::move(events.removed))));
  // A member that is silent must not keep this one from getting ready.
  constexpr env::Duration kPublishAskTimeout = std::chrono::seconds(1);
  consensus_.apply->add_listener(add(std::make_unique<Publisher>(
      Publisher::Parts{executors.background, services_.cluster_facts, facts_.view, links.peers, ask_versions(kPublishAskTimeout),
                       world.log},
      Publisher::Attributes{log.member, log.cluster, config.name, config.advertise_client_urls},
      config.request_timeout(), std::move(events.ready))));
  add(std::make_unique<DowngradeMonitor>(
      DowngradeMonitor::Parts{executors.background, services_.door, facts_.view,
                              ask_versions(config.request_timeout()), world.log},
      config.downgrade_check_time, config.request_timeout()));
  if (state_.machine->cluster()->members().size() <= 1) {
    consensus_.apply->add_listener(
        add(std::make_unique<LoneStart>(*consensus_.raft, facts_.view, config.election_ticks)));
  } else if (config.initial_election_tick_advance) {
    add(std::make_unique<TickAdvance>(TickAdvance::Parts{*consensus_.raft, facts_.view, links.peers, world.log},
                                      config.election_ticks));
  }
  add(std::make_unique<AutoCompactor>(
      AutoCompactor::Parts{executors.background, services_.door,
                           [this] { return facts_.view.store()->current_revision(); },
                           [this] { return facts_.board.is_leader(); }, world.log},
      config.auto_compaction));
  add(std::make_unique<LeaseCheckpointer>(LeaseCheckpointer::Parts{
      executors.apply, state_.machine->leases(), services_.leadership, services_.door, world.log}));
  add(std::make_unique<Purger>(
      executors.background, world.files, world.process, world.log,
      Purger::Options{config.wal_path(), config.snap_dir(), static_cast<size_t>(config.max_wals),
                      static_cast<size_t>(config.max_snapshots)}));
}

void MemberChores::start() {
  for (auto& chore : chores_) chore->start();
}

void MemberChores::stop() {
  for (auto& chore : chores_) chore->stop();
}

}  // namespace holdfast::server
