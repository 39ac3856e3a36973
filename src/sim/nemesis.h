// Breaks things, mends most of them after a while, and at last all of them. What it draws comes from the seed alone.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/log.h"
#include "base/random.h"
#include "sim/ambush.h"
#include "sim/bit_rot.h"
#include "sim/knobs.h"
#include "sim/machine.h"
#include "sim/network.h"

namespace holdfast::sim {

class Nemesis {
 public:
  Nemesis(SimScheduler& scheduler, SimNetwork& network, std::vector<std::unique_ptr<Machine>>& machines,
          const Knobs& knobs, Logger& log);

  void start();
  // Everything as it should be from now on: all processes run, nothing is lost or late, disks and clocks are good.
  void heal();
  // A process ended by itself. True if that may happen, then it is started again later.
  // `message`: what it said.
  bool excuses(Machine& machine, std::string_view message);
  uint64_t faults() const { return faults_; }
  // Some monotonic clock went forward at once; otherwise all ran at half to twice the true rate.
  bool clocks_jumped() const { return clocks_jumped_; }

 private:
  enum class Disk : uint8_t { good, slow, hung };
  struct Patient {
    Disk disk = Disk::good;
    bool excused = false;  // its disk fails or failed since it was started
    bool forgot = false;   // its disk lost what it had synced
    Random latency{0};
    BitRot rot{0};
  };
  using Fault = void (Nemesis::*)();

  void strike();
  void later(env::Duration delay, Task task);
  env::Duration a_while(env::Duration max);
  // Often the leader, who has the most to lose.
  Machine& any_machine();
  Patient& patient(const Machine& machine);
  void restart_later(Machine& machine, env::Duration max = std::chrono::seconds(20));
  Machine* leader();
  void strike_from_ambush(MemberId whom, Ambush::Moment moment);
  void start_machine(Machine& machine);
  env::Duration latency(Patient& patient, const DiskOperation& operation);
  void note(std::string_view what, std::string_view whom);

  void power_cut();
  void power_cut_at_operation();
  void kill();
  void stop();
  void kill_all();
  void pause();
  void pause_leader();
  void pause(Machine& machine, env::Duration time);
  void lie_in_wait();
  void overthrow(Machine& machine);
  void partition();
  void isolate();
  void isolate(Machine& machine, env::Duration time);
  void leave_behind();
  void one_way();
  void bad_link();
  void bad_network();
  void clock_rate();
  void clock_jump();
  void break_disk(Machine& machine, const DiskFaults& faults);
  void disk_errors();
  void disk_full();
  void slow_disk();
  void failing_commits();
  void rot_later();
  void rot();
  void rot_snapshot(Machine& machine, BitRot& rot);
  void lie_later();
  void lie();
  // Looks again and again for a moment at which nobody needs what this machine knows.
  // Since which start of the machine, in which term of its log (redundancy.h), and when it may forget.
  struct Lie {
    uint64_t start;
    Term term;
    env::Instant earliest, latest;
  };
  void forget(Machine& machine, Lie lie);
  bool noticed_loss(Machine& machine, std::string_view message);
  void replace(Machine& machine);

  SimScheduler& scheduler_;
  SimNetwork& network_;
  std::vector<std::unique_ptr<Machine>>& machines_;
  const Knobs knobs_;
  Logger& log_;
  Random random_;
  Random rot_random_;
  Random lie_random_;
  std::vector<Patient> patients_;  // as machines_
  std::vector<Fault> chosen_;      // the kinds of this run
  Ambush ambush_;
  // Of an ambush, all strikes are alike: who leads after the first is cut off for as long, and so on in turn.
  uint64_t ambush_style_ = 0;
  env::Duration ambush_time_{0};
  uint64_t faults_ = 0;
  bool clocks_jumped_ = false;
  bool over_ = false;
};

}  // namespace holdfast::sim
