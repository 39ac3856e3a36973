#include "sim/simulation.h"

#include <algorithm>
#include <memory>
#include <set>
#include <utility>
#include <vector>

#include "fmt/format.h"
#include "mvcc/store.h"
#include "sim/acknowledged_writes.h"
#include "sim/cluster_run.h"
#include "sim/linearizability.h"
#include "sim/queue_bounds.h"
#include "sim/state_digests.h"
#include "sim/watch_clients.h"
#include "sim/workload.h"

namespace holdfast::sim {

namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

// By when a healed cluster must serve and agree: elections, clients' patience, disks that still hang, all several times.
// Counted from the last change of membership that was still to be brought to an end, of which there are a few at most.
constexpr env::Duration kConvergeMax = seconds(120);
constexpr env::Duration kSettleMax = seconds(240);
constexpr int kWatchClients = 3;
// By when the last lease must have ended once all members serve and agree: the longest TTL, and again after a change of
// leaders, and the time it takes to revoke it.
constexpr env::Duration kLeasesEndMax = seconds(40);

class Simulation final : public ClusterRun {
 public:
  explicit Simulation(const SimOptions& options);

 private:
  void start_clients() override;
  void stop_clients() override;
  void look() override { compare_digests(); }
  void converge() override;
  void judge() override;
  void on_task(Machine& machine) override;
  void report_clients(SimReport& report) override;

  bool agree() const;
  // That some member still has.
  size_t leases_left() const;
  void probe(size_t machine);
  void learn_changes(mvcc::Store& store);
  void compare_digests();
  void require(const Verdict& verdict, std::string_view what);

  StateDigests digests_;
  // Per machine: the index looked at last, and below which a restarted member does not show what it held then.
  struct Progress {
    uint64_t life = 0;
    uint64_t start = 0;
    Index seen;
    Index highest;
    Index comparable;
  };
  std::vector<Progress> progress_;
  // As the first member that had them showed them.
  ChangesByRevision changes_;
  int64_t last_change_ = 1;
  std::unique_ptr<Workload> workload_;
  std::unique_ptr<WatchClients> watchers_;
  size_t probed_ = 0;
  bool probing_ = false;
};

Knobs knobs_of(Random& random, const SimOptions& options) {
  return draw_knobs(random, options.members, options.chaos);
}

Simulation::Simulation(const SimOptions& options) : ClusterRun(options, knobs_of) {
  progress_.resize(machines_.size());
  workload_ = std::make_unique<Workload>(scheduler_, machines_, knobs_.clients);
  // Of a seed of their own: what they do does not change what others draw.
  watchers_ = std::make_unique<WatchClients>(scheduler_, machines_, kWatchClients, options.seed ^ 0x77617463);
  add_nemesis();
}

void Simulation::start_clients() {
  workload_->start();
  watchers_->start();
}

void Simulation::stop_clients() {
  workload_->stop();
  watchers_->settle();
}

void Simulation::require(const Verdict& verdict, std::string_view what) {
  if (verdict.violated()) violate(fmt::format("{}: {}", what, verdict.what));
  if (verdict.kind == Verdict::Kind::undecided) report_.undecided = true;
}

void Simulation::on_task(Machine& machine) {
  if (!machine.serving() && !machine.stopping()) return;
  const auto i = static_cast<size_t>(
      std::find_if(machines_.begin(), machines_.end(), [&](const auto& m) { return m.get() == &machine; }) -
      machines_.begin());
  Progress& progress = progress_[i];
  if (progress.life != machine.lives()) progress = {.life = machine.lives()};
  if (machine.stopping()) {
    // It goes on applying while it hands leadership over; its store may close at any moment.
    progress.highest = std::max(progress.highest, machine.member().info().applied());
    return;
  }
  watchers_->learn(machine);
  if (progress.start != machine.starts()) {
    // What the backend holds already changes nothing when it is applied again.
    progress = {machine.lives(), machine.starts(), {}, progress.highest, progress.highest};
  }
  const Index applied = machine.member().info().applied();
  if (applied == progress.seen) return;
  if (applied < progress.seen)
    return violate(fmt::format("{} applied {} after {}", machine.name(), applied.value, progress.seen.value));
  progress.seen = applied;
  progress.highest = std::max(progress.highest, applied);
  if (applied <= progress.comparable) return;
  const auto store = machine.member().info().store();
  const Revision revision = store->current_revision();
  if (revision.value > last_change_) learn_changes(*store);
  scheduler_.note(applied.value << 20 ^ static_cast<uint64_t>(revision.value));
  require(digests_.add_applied(machine.id(), applied, revision.value), "state");
}

void Simulation::learn_changes(mvcc::Store& store) {
  const int64_t now = store.current_revision().value;
  // At the compacted revision and below, something may be missing already.
  const int64_t from = std::max(last_change_, store.read().compacted_revision().value) + 1;
  last_change_ = now;
  const absl::Status status = store.visit_changes(Revision(from), Revision(now), [&](const mvcc::Change& change) {
    WatchEvent event;
    event.type = change.deleted ? WatchEvent::Type::erase : WatchEvent::Type::put;
    event.key = change.pair.key;
    if (!change.deleted) event.value = change.pair.value;
    event.revision = change.revision.main;
    event.sub_revision = change.revision.sub;
    changes_[event.revision].push_back(std::move(event));
    return true;
  });
  if (!status.ok()) violate(fmt::format("changes after revision {} cannot be read", from));
}

void Simulation::compare_digests() {
  for (auto& machine : machines_) {
    if (!machine->serving()) continue;
    const auto store = machine->member().info().store();
    // While nothing is alive, etcd's hash takes in what a compaction has not deleted yet, which differs from member to
    // member.
    const auto all = store->read().range(std::string_view("\0", 1), std::string_view("\0", 1), {.limit = 1});
    if (!all.ok() || all->count == 0) continue;
    const auto hash = store->hash_kv(Revision(0));
    if (!hash.ok()) continue;
    require(digests_.add(machine->id(), hash->hash_revision.value, hash->compact_revision.value, hash->hash), "state");
    scheduler_.note(hash->hash);
  }
}

bool Simulation::agree() const {
  std::set<Index> applied;
  for (const size_t i : part_of_cluster()) {
    if (!machines_[i]->serving()) return false;
    const server::MemberInfo& info = machines_[i]->member().info();
    if (!info.leader() || info.applied() != info.committed()) return false;
    // Nobody asks for anything any more: who waits still was forgotten.
    if (machines_[i]->proposals_pending() != 0) return false;
    applied.insert(info.applied());
  }
  return applied.size() == 1;
}

size_t Simulation::leases_left() const {
  size_t most = 0;
  for (const size_t i : part_of_cluster()) {
    if (!machines_[i]->serving()) continue;
    const auto left = machines_[i]->member().leases().list({});
    if (left.ok()) most = std::max(most, left->size());
  }
  return most;
}

void Simulation::probe(size_t machine) {
  probing_ = true;
  workload_->probe(machine, [this](bool served) {
    probing_ = false;
    if (served) ++probed_;
  });
}

void Simulation::converge() {
  const env::Instant healed = scheduler_.now();
  const auto deadline = [&] {
    return std::clamp(administrator_->last_active(), healed, healed + kSettleMax) + kConvergeMax;
  };
  std::vector<size_t> members;
  env::Instant agreed{0};
  while (!scheduler_.stopped() && scheduler_.now() < deadline()) {
    scheduler_.run_until(scheduler_.now() + milliseconds(100));
    if (!administrator_->settled()) continue;
    if (members != part_of_cluster()) {
      members = part_of_cluster();
      probed_ = 0;
    }
    if (probed_ < members.size()) {
      if (!probing_) probe(members[probed_]);
    } else if (workload_->idle() && agree() && watchers_->complete()) {
      if (leases_left() == 0) return;
      if (agreed.nanoseconds == 0) agreed = scheduler_.now();
      if (scheduler_.now() - agreed > kLeasesEndMax)
        return violate(fmt::format("leases: {} are left {} s after everybody agreed", leases_left(),
                                   kLeasesEndMax / seconds(1)));
    }
  }
  std::string state;
  for (const size_t i : part_of_cluster()) {
    auto& machine = machines_[i];
    if (!machine->serving()) {
      state += fmt::format("\n  {} does not run", machine->name());
      continue;
    }
    const server::MemberInfo& info = machine->member().info();
    state += fmt::format("\n  {} {:x}: leader {:x} term {} committed {} applied {} pending {}", machine->name(),
                         machine->id().value, info.leader().value, info.term().value, info.committed().value,
                         info.applied().value, machine->proposals_pending());
  }
  violate(fmt::format("liveness: {} s after everything healed and settled, {} of {} members served{}{}\n  {}",
                      kConvergeMax / seconds(1), probed_, part_of_cluster().size(),
                      administrator_->settled() ? "" : ", membership is not settled", state, watchers_->describe()));
}

void Simulation::judge() {
  compare_digests();
  for (const size_t i : part_of_cluster()) {
    auto& machine = machines_[i];
    mvcc::ReadTxn txn = machine->member().info().store()->read();
    const auto all = txn.range(std::string_view("\0", 1), std::string_view("\0", 1), {});
    if (!all.ok()) return violate("the store cannot be read at the end");
    std::vector<KvPair> pairs;
    for (const mvcc::KeyValue& kv : all->pairs)
      pairs.push_back({kv.key, kv.value, kv.create_revision.value, kv.mod_revision.value, kv.version});
    require(check_acknowledged(workload_->history(), pairs, all->revision.value), machine->name());
  }
  if (!nemesis_->clocks_jumped()) {
    // No clock ran faster than twice the true time.
    for (const LeaseRecord& lease : workload_->leases()) require(check_lease(lease, {1'000'000, {}}), "leases");
  }
  require(watchers_->check(), "watch");
  require(check_linearizable(workload_->history(), {}, changes_), "linearizability");
  for (auto& machine : machines_) require(check_queues(machine->name(), machine->deepest_queue()), "queues");
}

void Simulation::report_clients(SimReport& report) {
  report.operations = workload_->counts().operations;
  report.acknowledged = workload_->counts().acknowledged;
  report.unknown = workload_->counts().unknown;
  if (report.violation.empty()) return;
  for (const HistoryEntry& entry : workload_->history()) log_.info("history", {{"operation", describe(entry)}});
}

}  // namespace

SimReport simulate(const SimOptions& options) { return Simulation(options).run(); }

std::string describe(const SimReport& r) {
  return fmt::format("seed {} members {} virtual {:.1f} s events {} operations {} acknowledged {} unknown {} faults {} snapshots {}/{} members +{}/-{} digest {:016x}{}",
                     r.seed, r.members, static_cast<double>(r.virtual_time.count()) / 1e9, r.events, r.operations,
                     r.acknowledged, r.unknown, r.faults, r.snapshots_sent,
                     r.snapshots_installed, r.joined, r.left, r.digest, r.undecided ? " UNDECIDED" : "");
}

}  // namespace holdfast::sim
