// Clients that watch: each on one member at a time, now quick, now slow, now elsewhere, resuming where it was, as etcd's
// clients do. What they were told is judged by the watch checker against what members applied.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "base/random.h"
#include "env/metrics.h"
#include "mvcc/watch_hub.h"
#include "sim/machine.h"
#include "sim/verdict.h"
#include "sim/watch_checker.h"

namespace holdfast::sim {

class WatchClients {
 public:
  WatchClients(SimScheduler& scheduler, std::vector<std::unique_ptr<Machine>>& machines, int clients, uint64_t seed);
  ~WatchClients();

  void start();
  // From now on everybody listens and stays where it is.
  void settle() { settled_ = true; }
  // After each task of a member's apply executor: what is new is the truth (members that differ are found elsewhere).
  void learn(Machine& machine);
  // Everybody was told everything.
  bool complete() const;
  // Of what was told so far. Nothing is said if the truth has a gap: it was compacted before it could be read.
  Verdict check() const;

  uint64_t events() const { return events_; }
  // What a client misses, for a report.
  std::string describe() const;

 private:
  class Client;

  SimScheduler& scheduler_;
  std::vector<std::unique_ptr<Machine>>& machines_;
  Random random_;
  env::NullMetrics metrics_;
  mvcc::WatchMetrics watch_metrics_{metrics_};
  std::vector<std::unique_ptr<Client>> clients_;
  std::vector<WatchEvent> truth_;
  int64_t known_ = 1;  // the truth is known up to this revision
  bool has_gap_ = false;
  bool settled_ = false;
  bool overfull_ = false;  // an outbox was
  uint64_t events_ = 0;
};

}  // namespace holdfast::sim
