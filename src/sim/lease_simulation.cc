#include "sim/lease_simulation.h"

#include <algorithm>
#include <memory>
#include <utility>
#include <vector>

#include "fmt/format.h"
#include "mvcc/store.h"
#include "sim/lease_workload.h"
#include "sim/nemesis.h"
#include "sim/trace_log.h"

namespace holdfast::sim {

namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

// By when everything must have ended once all is well: elections, clients' patience, the longest TTL and its extension,
// several times over.
constexpr env::Duration kQuietMax = seconds(180);

class LeaseSimulation {
 public:
  explicit LeaseSimulation(const SimOptions& options);
  SimReport run();

 private:
  void run_phases();
  void wait_for_the_end();
  void judge();
  void on_ended(Machine& machine, const std::string& message);
  void violate(std::string what);

  const SimOptions options_;
  SimScheduler scheduler_;
  TraceLog log_;
  const Knobs knobs_;
  SimNetwork network_;
  raft::ClusterInvariants invariants_;
  std::vector<std::unique_ptr<Machine>> machines_;
  std::unique_ptr<LeaseWorkload> workload_;
  std::unique_ptr<Nemesis> nemesis_;
  SimReport report_;
};

Knobs lease_knobs(Random& random, const SimOptions& options) {
  Knobs knobs = draw_knobs(random, options.members, options.chaos);
  knobs.clock_faults = false;
  knobs.config.fast_lease_keep_alive = random.chance(3, 4);
  return knobs;
}

LeaseSimulation::LeaseSimulation(const SimOptions& options)
    : options_(options),
      scheduler_(options.seed),
      log_(scheduler_, options.trace),
      knobs_(lease_knobs(scheduler_.random(), options)),
      network_(scheduler_) {
  report_.seed = options.seed;
  report_.members = knobs_.members;
  network_.set_quality(knobs_.link);
  const Machine::World world{scheduler_,
                             network_,
                             log_,
                             invariants_,
                             [this](std::string what) { violate(std::move(what)); },
                             [this](Machine& m, const std::string& message) { on_ended(m, message); },
                             [](Machine&) {}};
  for (int i = 0; i < knobs_.members; ++i)
    machines_.push_back(std::make_unique<Machine>(world, config_of(knobs_, i), knobs_.wiring));
  workload_ = std::make_unique<LeaseWorkload>(scheduler_, machines_, knobs_.clients);
  nemesis_ = std::make_unique<Nemesis>(scheduler_, network_, machines_, knobs_, log_);
}

void LeaseSimulation::violate(std::string what) {
  if (!report_.violation.empty()) return;
  log_.error("violation", {{"what", what}});
  report_.violation = std::move(what);
  scheduler_.stop();
}

void LeaseSimulation::on_ended(Machine& machine, const std::string& message) {
  log_.warn("ended by itself", {{"member", machine.name()}, {"message", message}});
  if (!nemesis_->excuses(machine)) violate(fmt::format("{} ended by itself: {}", machine.name(), message));
}

void LeaseSimulation::wait_for_the_end() {
  const env::Instant deadline = scheduler_.now() + kQuietMax;
  while (!scheduler_.stopped() && scheduler_.now() < deadline) {
    scheduler_.run_until(scheduler_.now() + milliseconds(500));
    const bool empty = std::all_of(machines_.begin(), machines_.end(), [](const auto& machine) {
      if (!machine->serving()) return false;
      const auto all = machine->member().info().store()->read().range(std::string_view("\0", 1),
                                                                     std::string_view("\0", 1), {});
      return all.ok() && all->pairs.empty();
    });
    if (workload_->idle() && empty) return;
  }
  if (!scheduler_.stopped())
    violate(fmt::format("{} s after everything healed, not all leases have ended", kQuietMax / seconds(1)));
}

void LeaseSimulation::judge() {
  for (const LeaseRecord& lease : workload_->records()) {
    const Verdict verdict = check_lease(lease, {});
    if (!verdict.violated()) continue;
    for (const LeaseRecord::Renewal& r : lease.renewals)
      log_.info("renewal", {{"asked", r.asked.nanoseconds}, {"answered", r.answered.nanoseconds}, {"ttl", r.ttl_seconds}});
    return violate(verdict.what);
  }
}

void LeaseSimulation::run_phases() {
  const env::Instant end{options_.until.count()};
  const auto run_for = [&](env::Duration time) {
    scheduler_.run_until(std::min(end, scheduler_.now() + time));
  };
  for (auto& machine : machines_)
    scheduler_.after(env::Duration(scheduler_.random().between(0, 1'000'000'000)), [&machine] { machine->start(); });
  run_for(seconds(2));
  workload_->start();
  run_for(seconds(static_cast<int64_t>(scheduler_.random().below(6))));
  nemesis_->start();
  run_for(knobs_.chaos);
  nemesis_->heal();
  run_for(seconds(5));
  workload_->stop();
  if (scheduler_.stopped() || scheduler_.now() >= end) return;
  wait_for_the_end();
  if (!scheduler_.stopped()) judge();
}

SimReport LeaseSimulation::run() {
  try {
    run_phases();
  } catch (const ProcessDied& broken) {
    violate(broken.message);
  }
  report_.virtual_time = env::Duration(scheduler_.now().nanoseconds);
  report_.events = scheduler_.events();
  report_.operations = workload_->counts().operations;
  report_.acknowledged = workload_->counts().acknowledged;
  report_.faults = nemesis_->faults();
  scheduler_.note(workload_->counts().kept_alive);
  scheduler_.note(workload_->counts().ended);
  report_.digest = scheduler_.digest();
  for (auto& machine : machines_) machine->crash(Machine::Loss::process);
  return report_;
}

}  // namespace

SimReport simulate_leases(const SimOptions& options) { return LeaseSimulation(options).run(); }

}  // namespace holdfast::sim
