#include "sim/cluster_run.h"

#include <algorithm>
#include <utility>

#include "apply/alarm_store.h"
#include "fmt/format.h"
#include "sim/refused_dials.h"

namespace holdfast::sim {

using std::chrono::seconds;

ClusterRun::ClusterRun(const SimOptions& options, DrawKnobs draw)
    : options_(options),
      scheduler_(options.seed),
      log_(scheduler_, options.trace),
      knobs_(draw(scheduler_.random(), options)),
      network_(scheduler_),
      configurations_(Index(static_cast<uint64_t>(knobs_.members))) {
  report_.seed = options.seed;
  report_.members = knobs_.members;
  network_.set_quality(knobs_.link);
  const Machine::World world{scheduler_,
                             network_,
                             log_,
                             invariants_,
                             configurations_,
                             [this](std::string what) { violate(std::move(what)); },
                             [this](Machine& m, const std::string& message) { on_ended(m, message); },
                             [this](Machine& m) { on_task(m); },
                             [this](MemberId id) { return find(id); },
                             [this](const std::string& url) { return find_url(url); },
                             [this] { return administrator_->initial_cluster(); },
                             [this](Machine& m) {
                               if (knobs_.refused_dials) refuse_dials(scheduler_, network_, m, machines_);
                             }};
  for (int i = 0; i < knobs_.machines; ++i)
    machines_.push_back(std::make_unique<Machine>(world, Address{static_cast<uint32_t>(i)},
                                                  i < knobs_.members ? Machine::Role::founder : Machine::Role::spare,
                                                  config_of(knobs_, i),
                                                  knobs_.wiring, knobs_.snapshot_piece_bytes));
}

ClusterRun::~ClusterRun() = default;

Machine* ClusterRun::find(MemberId id) {
  for (const auto& machine : machines_)
    if (machine->in_cluster() && machine->id() == id) return machine.get();
  return nullptr;
}

Machine* ClusterRun::find_url(const std::string& url) {
  for (const auto& machine : machines_)
    if (machine->peer_url() == url) return machine.get();
  return nullptr;
}

std::vector<size_t> ClusterRun::part_of_cluster() const {
  std::vector<size_t> found;
  for (size_t i = 0; i < machines_.size(); ++i)
    if (machines_[i]->in_cluster()) found.push_back(i);
  return found;
}

void ClusterRun::add_nemesis() {
  nemesis_ = std::make_unique<Nemesis>(scheduler_, network_, machines_, knobs_, log_);
  administrator_ = std::make_unique<Administrator>(scheduler_, machines_, knobs_, log_);
}

void ClusterRun::violate(std::string what) {
  if (!report_.violation.empty()) return;
  log_.error("violation", {{"what", what}});
  report_.violation = std::move(what);
  scheduler_.stop();
}

void ClusterRun::on_ended(Machine& machine, const std::string& message) {
  log_.warn("ended by itself", {{"member", machine.name()}, {"message", message}});
  if (!nemesis_->excuses(machine, message)) violate(fmt::format("{} ended by itself: {}", machine.name(), message));
}

void ClusterRun::look_for_alarms() {
  for (const auto& machine : machines_) {
    if (!machine->serving()) continue;
    for (const apply::Alarm& alarm : machine->member().info().alarms())
      if (alarm.type == apply::AlarmType::corrupt)
        violate(fmt::format("{} has the alarm that {:x} is corrupt", machine->name(), alarm.member.value));
  }
}

void ClusterRun::run_phases() {
  const env::Instant end{options_.until.count()};
  const auto run_for = [&](env::Duration time) {
    scheduler_.run_until(std::min(end, scheduler_.now() + time));
  };
  // Not all at once.
  for (auto& machine : machines_)
    scheduler_.after(env::Duration(scheduler_.random().between(0, 1'000'000'000)), [&machine] {
      if (machine->in_cluster()) machine->start();
    });
  run_for(seconds(2));
  start_clients();
  run_for(seconds(static_cast<int64_t>(scheduler_.random().below(6))));
  nemesis_->start();
  administrator_->start();
  const env::Instant chaos_end = scheduler_.now() + knobs_.chaos;
  while (!scheduler_.stopped() && scheduler_.now() < std::min(chaos_end, end)) {
    run_for(std::min<env::Duration>(seconds(10), chaos_end - scheduler_.now()));
    look();
    look_for_alarms();
  }
  nemesis_->heal();
  administrator_->finish();
  run_for(seconds(5));
  stop_clients();
  if (scheduler_.stopped() || scheduler_.now() >= end) return;
  converge();
  look_for_alarms();
  if (!scheduler_.stopped()) judge();
}

SimReport ClusterRun::run() {
  try {
    run_phases();
  } catch (const ProcessDied& broken) {
    violate(broken.message);
  }
  report_.virtual_time = env::Duration(scheduler_.now().nanoseconds);
  report_.events = scheduler_.events();
  report_.faults = nemesis_->faults();
  report_.joined = administrator_->counts().joined;
  report_.left = administrator_->counts().left;
  for (const auto& machine : machines_) {
    report_.snapshots_sent += machine->snapshots_sent();
    report_.snapshots_installed += machine->snapshots_installed();
  }
  report_clients(report_);
  report_.digest = scheduler_.digest();
  // The members' last callbacks find everything they point to.
  for (auto& machine : machines_) machine->crash(Machine::Loss::process);
  return report_;
}

}  // namespace holdfast::sim
