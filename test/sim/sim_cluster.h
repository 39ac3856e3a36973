// A few machines in one simulated world, for tests of the simulator's own parts.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "base/log.h"
#include "gtest/gtest.h"
#include "sim/knobs.h"
#include "sim/machine.h"
#include "sim/refused_dials.h"

namespace holdfast::sim {

class SimCluster {
 public:
  // `knobs`: founders, machines and what members share.
  explicit SimCluster(Knobs k, uint64_t seed = 1)
      : knobs(std::move(k)),
        scheduler(seed),
        network(scheduler),
        configurations(Index(static_cast<uint64_t>(knobs.members))) {
    const Machine::World world{scheduler,
                               network,
                               log,
                               invariants,
                               configurations,
                               [this](std::string what) { violations.push_back(std::move(what)); },
                               [this](Machine& machine, std::string why) {
                                 ended.push_back(machine.name() + ": " + why);
                                 if (on_ended) on_ended(machine);
                               },
                               [](Machine&) {},
                               [this](MemberId id) {
                                 return find([id](Machine& m) { return m.in_cluster() && m.id() == id; });
                               },
                               [this](const std::string& url) {
                                 return find([&url](Machine& m) { return m.peer_url() == url; });
                               },
                               [this] { return initial_cluster(); },
                               [this](Machine& m) {
                                 if (knobs.refused_dials) refuse_dials(scheduler, network, m, machines);
                               }};
    for (int i = 0; i < knobs.machines; ++i)
      machines.push_back(std::make_unique<Machine>(world, Address{static_cast<uint32_t>(i)},
                                                   i < knobs.members ? Machine::Role::founder : Machine::Role::spare,
                                                   config_of(knobs, i), Wiring::five_executors, 2'000));
  }
  ~SimCluster() { end(); }
  // Before anything dies that was made after the cluster and that machines ask: a nemesis.
  void end() {
    for (auto& machine : machines) machine->crash(Machine::Loss::process);
  }
  void start() {
    for (auto& machine : machines)
      if (machine->in_cluster()) machine->start();
    run(std::chrono::seconds(8));
  }
  void run(env::Duration time) { scheduler.run_until(scheduler.now() + time); }
  Machine& operator[](size_t i) { return *machines[i]; }
  Machine* leader() {
    return find([](Machine& m) { return m.serving() && m.member().info().leader() == m.id(); });
  }
  Machine* find(const std::function<bool(Machine&)>& matches) {
    for (auto& machine : machines)
      if (matches(*machine)) return machine.get();
    return nullptr;
  }

  const Knobs knobs;
  SimScheduler scheduler;
  SimNetwork network;
  NullLogger log;
  raft::ClusterInvariants invariants;
  raft::ConfigurationHistory configurations;
  std::vector<std::unique_ptr<Machine>> machines;
  std::vector<std::string> violations;
  std::vector<std::string> ended;  // by themselves
  std::function<void(Machine&)> on_ended;
  std::function<membership::InitialCluster()> initial_cluster = [] { return membership::InitialCluster(); };
};

// A quiet cluster of that many.
inline Knobs quiet_knobs(int members, int machines) {
  Knobs knobs;
  knobs.members = members;
  knobs.machines = knobs.members_max = machines;
  knobs.clients.clients = 3;
  knobs.clients.think_max = std::chrono::milliseconds(50);
  return knobs;
}

}  // namespace holdfast::sim
