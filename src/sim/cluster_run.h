// What every run has, whatever its clients do and whoever judges them: a cluster drawn from the seed, a while of peace, a
// while of faults, healing, the end, and the report. The rest is a subclass's.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "sim/administrator.h"
#include "sim/knobs.h"
#include "sim/machine.h"
#include "sim/nemesis.h"
#include "sim/simulation.h"
#include "sim/trace_log.h"

namespace holdfast::sim {

class ClusterRun {
 public:
  SimReport run();

 protected:
  using DrawKnobs = Knobs (*)(Random&, const SimOptions&);
  ClusterRun(const SimOptions& options, DrawKnobs draw);
  virtual ~ClusterRun();
  ClusterRun(const ClusterRun&) = delete;
  ClusterRun& operator=(const ClusterRun&) = delete;

  // Last in the subclass's constructor: what it draws comes after what the clients drew.
  void add_nemesis();

  virtual void start_clients() = 0;
  // No new operations.
  virtual void stop_clients() = 0;
  // After every ten seconds of faults.
  virtual void look() {}
  // Everything is well again: runs on until the cluster has done what it must, or violates.
  virtual void converge() = 0;
  virtual void judge() = 0;
  // A task of a member's ended.
  virtual void on_task(Machine& machine) {}
  // What the clients did, into the report and the digest.
  virtual void report_clients(SimReport& report) = 0;

  // Machines that are.
  std::vector<size_t> part_of_cluster() const;
  // The first violation counts; it ends the run.
  void violate(std::string what);

  const SimOptions options_;
  SimScheduler scheduler_;
  TraceLog log_;
  const Knobs knobs_;
  SimNetwork network_;
  raft::ClusterInvariants invariants_;
  raft::ConfigurationHistory configurations_;
  // Their callbacks point into the subclass until they die, which run() sees to.
  std::vector<std::unique_ptr<Machine>> machines_;
  std::unique_ptr<Nemesis> nemesis_;
  std::unique_ptr<Administrator> administrator_;
  SimReport report_;

 private:
  Machine* find(MemberId id);
  Machine* find_url(const std::string& url);
  void run_phases();
  // Nobody's data were touched.
  void look_for_alarms();
  void on_ended(Machine& machine, const std::string& message);
};

}  // namespace holdfast::sim
