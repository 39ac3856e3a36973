// Who changes the cluster: adds members as voters or learners, promotes, removes and replaces them, and moves leadership,
// through whichever member answers. What a request did it reads from the cluster itself, as administrators do who got no
// answer: machines of listed members get started, those of removed ones get taken out and wiped.
//
// It does what raft can survive: no id comes back without its disk, a removed member's disk goes only when one that stays
// knows of the removal, and two voters stay two.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "base/log.h"
#include "base/random.h"
#include "base/task.h"
#include "membership/cluster.h"
#include "sim/knobs.h"
#include "sim/machine.h"

namespace holdfast::sim {

class Administrator {
 public:
  struct Counts {
    uint64_t asked = 0;
    uint64_t joined = 0;   // machines that were started as new members
    uint64_t left = 0;     // wiped after their removal
    uint64_t promoted = 0; // acknowledged, as moves
    uint64_t moved = 0;
  };
  Administrator(SimScheduler& scheduler, std::vector<std::unique_ptr<Machine>>& machines, const Knobs& knobs,
                Logger& log);

  // Only if the knobs want changes.
  void start();
  // No new changes: what is under way is brought to an end.
  void finish();
  // Every listed member has its machine and no removed one has; no request is under way; and so for a while.
  bool settled() const;
  // When there was something to be done last.
  env::Instant last_active() const { return unsettled_; }
  // --initial-cluster as the most advanced member sees it.
  membership::InitialCluster initial_cluster() const;

  const Counts& counts() const { return counts_; }

 private:
  using View = std::shared_ptr<const membership::Cluster>;  // shared with its member
  void tick();
  View view() const;
  void reconcile(const membership::Cluster& cluster);
  void begin(Machine& machine, MemberId id);
  void take_out(Machine& machine);
  bool removal_is_known(MemberId id) const;
  void change(const membership::Cluster& cluster);
  bool may_remove(const membership::Cluster& cluster, MemberId id) const;
  void add(const membership::Cluster& cluster);
  // Runs on a member's executor for requests and answers there, once or never.
  using Answered = UniqueFunction<void(const absl::Status&)>;
  using Request = UniqueFunction<void(server::Member&, const server::CallContext&, Answered)>;
  void ask(std::string_view what, Request request, uint64_t* acknowledged = nullptr);
  Machine* machine_of(MemberId id) const;
  Machine* machine_at(const std::vector<std::string>& urls) const;
  template <class Map>
  MemberId any_of(const Map& members);

  SimScheduler& scheduler_;
  std::vector<std::unique_ptr<Machine>>& machines_;
  const Knobs& knobs_;
  Logger& log_;
  Random random_;
  Counts counts_;
  std::set<MemberId> begun_;  // ids that have had a disk
  std::set<MemberId> going_;  // removed, their machines are about to be taken out
  env::Instant next_change_{0};
  env::Instant unsettled_{0};  // when something was to be done last
  int under_way_ = 0;
  bool over_ = false;
};

}  // namespace holdfast::sim
