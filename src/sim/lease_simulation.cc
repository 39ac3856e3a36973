#include "sim/lease_simulation.h"

#include <algorithm>
#include <memory>
#include <utility>
#include <vector>

#include "fmt/format.h"
#include "mvcc/store.h"
#include "sim/cluster_run.h"
#include "sim/lease_workload.h"

namespace holdfast::sim {

namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

// By when everything must have ended once all is well: elections, clients' patience, the longest TTL and its extension,
// several times over.
constexpr env::Duration kQuietMax = seconds(180);

class LeaseSimulation final : public ClusterRun {
 public:
  explicit LeaseSimulation(const SimOptions& options);

 private:
  void start_clients() override { workload_->start(); }
  void stop_clients() override { workload_->stop(); }
  void converge() override;
  void judge() override;
  void report_clients(SimReport& report) override;

  std::unique_ptr<LeaseWorkload> workload_;
};

Knobs lease_knobs(Random& random, const SimOptions& options) {
  Knobs knobs = draw_knobs(random, options.members, options.chaos);
  knobs.clock_faults = false;
  knobs.config.fast_lease_keep_alive = random.chance(3, 4);
  return knobs;
}

LeaseSimulation::LeaseSimulation(const SimOptions& options) : ClusterRun(options, lease_knobs) {
  workload_ = std::make_unique<LeaseWorkload>(scheduler_, machines_, knobs_.clients);
  add_nemesis();
}

void LeaseSimulation::converge() {
  const env::Instant deadline = scheduler_.now() + kQuietMax;
  while (!scheduler_.stopped() && scheduler_.now() < deadline) {
    scheduler_.run_until(scheduler_.now() + milliseconds(500));
    const std::vector<size_t> members = part_of_cluster();
    const bool empty = std::all_of(members.begin(), members.end(), [this](size_t i) {
      if (!machines_[i]->serving()) return false;
      const auto all = machines_[i]->member().info().store()->read().range(std::string_view("\0", 1),
                                                                     std::string_view("\0", 1), {});
      return all.ok() && all->pairs.empty();
    });
    if (workload_->idle() && empty && administrator_->settled()) return;
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

void LeaseSimulation::report_clients(SimReport& report) {
  report.operations = workload_->counts().operations;
  report.acknowledged = workload_->counts().acknowledged;
  scheduler_.note(workload_->counts().kept_alive);
  scheduler_.note(workload_->counts().ended);
}

}  // namespace

SimReport simulate_leases(const SimOptions& options) { return LeaseSimulation(options).run(); }

}  // namespace holdfast::sim
