// What a run is made of: clients, faults, changes of membership, snapshots and calls between members, each alone on a small
// cluster.
#include <set>

#include "apply/alarm_store.h"
#include "backend/bucket.h"
#include "base/errors.h"
#include "membership/cluster.h"
#include "sim/administrator.h"
#include "sim/nemesis.h"
#include "sim/redundancy.h"
#include "sim/remote_calls.h"
#include "sim/workload.h"
#include "sim_cluster.h"

namespace holdfast::sim {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

// --- clients ---

TEST(Workload, ProbesSayWhetherAMachineServes) {
  SimCluster cluster(quiet_knobs(3, 3));
  cluster.start();
  Workload workload(cluster.scheduler, cluster.machines, cluster.knobs.clients);
  std::vector<bool> served;
  workload.probe(0, [&](bool yes) { served.push_back(yes); });
  cluster.run(seconds(10));
  cluster[0].crash(Machine::Loss::power);
  workload.probe(0, [&](bool yes) { served.push_back(yes); });
  cluster.run(seconds(10));
  EXPECT_EQ(served, (std::vector<bool>{true, false}));
  EXPECT_TRUE(workload.idle());
}

TEST(Workload, RecordsEachOperationOnceAndComesToRest) {
  SimCluster cluster(quiet_knobs(3, 3));
  cluster.start();
  Workload workload(cluster.scheduler, cluster.machines, cluster.knobs.clients);
  workload.start();
  cluster.run(seconds(20));
  workload.stop();
  cluster.run(seconds(20));
  EXPECT_TRUE(workload.idle());
  EXPECT_GT(workload.counts().acknowledged, 100u);
  EXPECT_LT(workload.counts().unknown, 10u) << "refused revocations at most";
  const uint64_t before = workload.counts().operations;
  cluster.run(seconds(20));
  EXPECT_EQ(workload.counts().operations, before);
  std::set<KvKind> kinds;
  for (const HistoryEntry& entry : workload.history()) kinds.insert(entry.op.kind);
  EXPECT_EQ(kinds.size(), 5u);
  for (const auto& machine : cluster.machines) EXPECT_EQ(machine->proposals_pending(), 0u);
}

// --- faults ---

#ifndef HOLDFAST_FAULT_POINTS
// Those of the code are not in a release; what they do where they are is in fault_points_test.cc.
TEST(FaultPoints, AreCompiledOut) {
  SimCluster cluster(quiet_knobs(1, 1));
  cluster.start();
  for (const char* point : {"wal.before_write", "wal.before_sync", "wal.after_sync", "wal.after_cut"})
    cluster[0].process()->faults().set(point, 1'000'000);
  Workload workload(cluster.scheduler, cluster.machines, cluster.knobs.clients);
  workload.probe(0, [](bool served) { EXPECT_TRUE(served); });
  cluster.run(seconds(5));
  EXPECT_TRUE(cluster.ended.empty());
  EXPECT_EQ(cluster[0].process()->faults().strikes(), 0u);
}
#endif

TEST(Nemesis, BreaksAndHealsEverything) {
  Knobs knobs = quiet_knobs(3, 3);
  knobs.between_faults = milliseconds(200);
  uint64_t faults = 0;
  uint64_t starts = 0;
  for (uint64_t seed = 1; seed <= 12; ++seed) {
    SimCluster cluster(knobs, seed);
    Nemesis nemesis(cluster.scheduler, cluster.network, cluster.machines, cluster.knobs, cluster.log);
    cluster.on_ended = [&](Machine& machine) {
      EXPECT_TRUE(nemesis.excuses(machine, cluster.ended.back())) << cluster.ended.back();
    };
    cluster.start();
    nemesis.start();
    cluster.run(seconds(20));
    nemesis.heal();
    faults += nemesis.faults();
    cluster.run(seconds(30));
    for (const auto& a : cluster.machines) {
      EXPECT_TRUE(a->serving()) << a->name() << " of seed " << seed;
      EXPECT_FALSE(a->process()->paused());
      starts += a->starts();
      for (const auto& b : cluster.machines) EXPECT_FALSE(cluster.network.blocked(a->address(), b->address()));
    }
    EXPECT_NE(cluster.leader(), nullptr) << "seed " << seed;
    EXPECT_TRUE(cluster.violations.empty());
    cluster.end();
  }
  EXPECT_GT(faults, 300u);
  EXPECT_GT(starts, 50u);
}

TEST(Nemesis, ExcusesOnlyWhatItBroke) {
  SimCluster cluster(quiet_knobs(3, 3));
  Nemesis nemesis(cluster.scheduler, cluster.network, cluster.machines, cluster.knobs, cluster.log);
  cluster.start();
  EXPECT_FALSE(nemesis.excuses(cluster[1], "it just ended"));
  cluster[1].crash(Machine::Loss::process);
  cluster.run(seconds(60));
  EXPECT_TRUE(cluster[1].down()) << "nobody starts it";
  cluster.end();
}

// --- the end of a process ---

// How long nobody leads once the leader's process was killed.
env::Duration time_without_leader(bool refused, uint64_t seed) {
  Knobs knobs = quiet_knobs(3, 3);
  knobs.refused_dials = refused;
  SimCluster cluster(knobs, seed);
  cluster.start();
  Machine* const old = cluster.leader();
  old->crash(Machine::Loss::process);
  const env::Instant killed = cluster.scheduler.now();
  while (cluster.leader() == nullptr && cluster.scheduler.now() - killed < seconds(30)) cluster.run(milliseconds(10));
  EXPECT_TRUE(cluster.violations.empty());
  return cluster.scheduler.now() - killed;
}

// docs/decisions/0022
TEST(RefusedDials, ALeaderWhoseProcessHasEndedIsNotWaitedFor) {
  for (uint64_t seed = 1; seed <= 5; ++seed)
    EXPECT_LT(time_without_leader(true, seed) + milliseconds(300), time_without_leader(false, seed)) << "seed " << seed;
}

// --- a disk that lies ---

// A follower that nobody needs; null: none.
Machine* dispensable(SimCluster& cluster) {
  return cluster.find([&](Machine& m) { return others_have_all_of(m, cluster.machines); });
}

TEST(LyingDisk, NobodyNeedsWhatAMajorityOfTheOthersHas) {
  SimCluster cluster(quiet_knobs(3, 3));
  cluster.start();
  Machine* const leader = cluster.leader();
  EXPECT_FALSE(others_have_all_of(*leader, cluster.machines));
  Machine* const follower = dispensable(cluster);
  ASSERT_NE(follower, nullptr) << "at least one follower voted for the leader, and the other one can be done without";
  for (const auto& other : cluster.machines) {
    if (other.get() == leader || other.get() == follower) continue;
    cluster.network.block(leader->address(), other->address());
    cluster.network.block(follower->address(), other->address());
  }
  Workload workload(cluster.scheduler, cluster.machines, cluster.knobs.clients);
  workload.probe(static_cast<size_t>(leader->address().value), [](bool served) { EXPECT_TRUE(served); });
  cluster.run(milliseconds(500));
  EXPECT_FALSE(others_have_all_of(*follower, cluster.machines)) << "only it and the leader have the last entry";
  cluster.end();
}

TEST(LyingDisk, WhoLostWhatItHadSyncedDoesNotGoOn) {
  SimCluster cluster(quiet_knobs(3, 3));
  cluster.start();
  Workload workload(cluster.scheduler, cluster.machines, cluster.knobs.clients);
  Machine* const liar = dispensable(cluster);
  ASSERT_NE(liar, nullptr);
  liar->disk().set_faults({.lost_sync_ppm = 1'000'000});
  workload.probe(0, [](bool served) { EXPECT_TRUE(served); });
  cluster.run(seconds(5));
  ASSERT_TRUE(others_have_all_of(*liar, cluster.machines));
  liar->crash(Machine::Loss::cache);
  liar->start();
  cluster.run(seconds(5));
  ASSERT_EQ(cluster.ended.size(), 1u);
  EXPECT_NE(cluster.ended[0].find("entries that were synced are lost"), std::string::npos) << cluster.ended[0];
  EXPECT_TRUE(cluster.violations.empty());
}

TEST(LyingDisk, WhatWasWrittenBackInTimeIsThere) {
  SimCluster cluster(quiet_knobs(3, 3));
  cluster.start();
  Workload workload(cluster.scheduler, cluster.machines, cluster.knobs.clients);
  for (const auto& machine : cluster.machines) machine->disk().set_faults({.lost_sync_ppm = 1'000'000});
  workload.probe(0, [](bool served) { EXPECT_TRUE(served); });
  cluster.run(seconds(5));
  for (const auto& machine : cluster.machines) {
    machine->crash(Machine::Loss::power);
    machine->start();
  }
  cluster.run(seconds(10));
  EXPECT_TRUE(cluster.ended.empty() && cluster.violations.empty());
  EXPECT_NE(cluster.leader(), nullptr);
}

// --- damaged data ---

// Three members, and one that comes back with a value in its database that nobody wrote.
std::unique_ptr<SimCluster> with_damaged_member(const server::CorruptionChecks& checks) {
  Knobs knobs = quiet_knobs(3, 3);
  knobs.config.corruption_checks = checks;
  auto cluster = std::make_unique<SimCluster>(knobs);
  cluster->start();
  Workload workload(cluster->scheduler, cluster->machines, cluster->knobs.clients);
  workload.probe(0, [](bool served) { EXPECT_TRUE(served); });
  cluster->run(seconds(10));
  Machine& damaged = *cluster->find([&](Machine& m) { return &m != cluster->leader(); });
  damaged.crash(Machine::Loss::process);
  auto& records = damaged.database().state->buckets[static_cast<size_t>(backend::Bucket::key)];
  EXPECT_EQ(records.size(), 1u);
  records.begin()->second.back() ^= 1;
  damaged.start();
  cluster->run(seconds(30));
  return cluster;
}

// OPS-14
TEST(CorruptionChecks, WhoDiffersDoesNotTakePartAgain) {
  const auto cluster = with_damaged_member({.initial = true});
  ASSERT_EQ(cluster->ended.size(), 1u);
  EXPECT_NE(cluster->ended[0].find("found data inconsistency with peers"), std::string::npos) << cluster->ended[0];
}

TEST(CorruptionChecks, WhoDiffersGetsTheAlarm) {
  const auto cluster = with_damaged_member({.interval = seconds(2)});
  EXPECT_TRUE(cluster->ended.empty());
  for (const auto& machine : cluster->machines) {
    const auto alarms = machine->member().info().alarms();
    ASSERT_EQ(alarms.size(), 1u);
    EXPECT_EQ(alarms[0].type, apply::AlarmType::corrupt);
    EXPECT_NE(alarms[0].member, cluster->leader()->id());
  }
}

// --- snapshots ---

Knobs with_snapshots() {
  Knobs knobs = quiet_knobs(3, 3);
  knobs.config.snapshot_count = 5;
  knobs.config.snapshot_catchup_entries = 1;
  return knobs;
}

// Leaves `late` alone until the others have let go of the log.
void leave_behind(SimCluster& cluster, Workload& workload, Machine& late) {
  for (const auto& other : cluster.machines) {
    cluster.network.block(late.address(), other->address());
    cluster.network.block(other->address(), late.address());
  }
  workload.start();
  cluster.run(seconds(30));
}

TEST(SnapshotStream, BringsALateMemberUpToDate) {
  SimCluster cluster(with_snapshots());
  cluster.start();
  Workload workload(cluster.scheduler, cluster.machines, cluster.knobs.clients);
  Machine& late = *cluster.find([&](Machine& m) { return &m != cluster.leader(); });
  leave_behind(cluster, workload, late);
  cluster.network.heal();
  workload.stop();
  cluster.run(seconds(30));
  EXPECT_GE(late.snapshots_installed(), 1u);
  EXPECT_EQ(late.member().info().applied(), cluster.leader()->member().info().applied());
  EXPECT_TRUE(cluster.violations.empty());
}

TEST(SnapshotStream, OneThatBreaksIsSentAgain) {
  SimCluster cluster(with_snapshots());
  cluster.start();
  Workload workload(cluster.scheduler, cluster.machines, cluster.knobs.clients);
  Machine& late = *cluster.find([&](Machine& m) { return &m != cluster.leader(); });
  leave_behind(cluster, workload, late);
  // As slow as a piece a second; cut in the middle of it, three times.
  cluster.network.heal();
  LinkQuality slow;
  slow.snapshot_bytes_per_second = 2'000;
  cluster.network.set_quality(slow);
  workload.stop();
  for (int i = 0; i < 3; ++i) {
    cluster.run(milliseconds(3'500));
    EXPECT_EQ(late.snapshots_installed(), 0u);
    cluster.network.heal();  // its connections are new
    cluster.network.set_quality(slow);
  }
  cluster.network.heal();
  cluster.run(seconds(60));
  uint64_t sent = 0;
  for (const auto& machine : cluster.machines) sent += machine->snapshots_sent();
  EXPECT_GE(sent, 2u);
  EXPECT_GE(late.snapshots_installed(), 1u);
  for (const std::string& path : late.disk().files_under(late.snap_dir()))
    EXPECT_EQ(path.find("/tmp"), std::string::npos) << path;
}

// --- calls ---

TEST(RemoteCalls, AnswerOnceWhateverHappens) {
  SimCluster cluster(quiet_knobs(2, 2));
  cluster.start();
  RemoteCalls calls(cluster.scheduler, cluster.network, cluster[0],
                    [&](const std::string& url) { return cluster.find([&](Machine& m) { return m.peer_url() == url; }); });
  std::vector<absl::Status> answers;
  const auto ask = [&](const std::string& url) {
    cluster[0].rpc().post([&, url] {
      calls.get_members({url, seconds(3), &cluster[0].rpc()}, [&](const auto& membership) {
        answers.push_back(membership.status());
        if (!membership.ok()) return;
        EXPECT_EQ(membership->members.size(), 2u);
      });
    });
    cluster.run(seconds(10));
  };
  ask(cluster[1].peer_url());
  ASSERT_EQ(answers.size(), 1u);
  EXPECT_TRUE(answers[0].ok()) << answers[0];
  ask("http://10.9.9.9:2380");
  cluster.network.block(Address{1}, Address{0});  // the question arrives, the answer does not
  ask(cluster[1].peer_url());
  cluster.network.unblock(Address{1}, Address{0});
  cluster[1].crash(Machine::Loss::process);
  ask(cluster[1].peer_url());
  ASSERT_EQ(answers.size(), 4u);
  for (size_t i = 1; i < 4; ++i) EXPECT_TRUE(absl::IsUnavailable(answers[i])) << i << answers[i];
}

// --- membership ---

TEST(Administrator, MembersComeAndGoAndItComesToRest) {
  Knobs knobs = quiet_knobs(1, 4);
  knobs.between_changes = seconds(1);
  SimCluster cluster(knobs);
  Administrator administrator(cluster.scheduler, cluster.machines, cluster.knobs, cluster.log);
  cluster.initial_cluster = [&] { return administrator.initial_cluster(); };
  cluster.on_ended = [&](Machine& machine) {
    EXPECT_TRUE(machine.died_joining()) << cluster.ended.back();
    cluster.scheduler.after(milliseconds(100), [&machine] {
      if (machine.down() && machine.in_cluster()) machine.start();
    });
  };
  cluster.start();
  administrator.start();
  cluster.run(seconds(300));
  administrator.finish();
  EXPECT_FALSE(administrator.settled());
  cluster.run(seconds(60));
  EXPECT_TRUE(administrator.settled());
  EXPECT_GT(administrator.counts().joined, 5u);
  EXPECT_GT(administrator.counts().left, 3u);
  EXPECT_GT(administrator.counts().promoted, 0u);
  EXPECT_TRUE(cluster.violations.empty());
  // Who is listed is who runs.
  ASSERT_NE(cluster.leader(), nullptr);
  const auto listed = cluster.leader()->member().info().cluster();
  size_t running = 0;
  for (const auto& machine : cluster.machines) {
    if (!machine->in_cluster()) continue;
    ++running;
    EXPECT_TRUE(machine->serving()) << machine->name();
    EXPECT_NE(listed->find(machine->id()), nullptr) << machine->name();
  }
  EXPECT_EQ(running, listed->members().size());
}

TEST(Machine, LeavesWithNothingAndComesBackAsSomebodyElse) {
  SimCluster cluster(quiet_knobs(1, 1));
  cluster.start();
  const MemberId before = cluster[0].id();
  EXPECT_GT(cluster[0].disk().used_bytes(), 0u);
  cluster[0].crash(Machine::Loss::process);
  cluster[0].leave();
  EXPECT_FALSE(cluster[0].in_cluster());
  EXPECT_EQ(cluster[0].disk().used_bytes(), 0u);
  cluster[0].join(MemberId(7));
  EXPECT_EQ(cluster[0].id(), MemberId(7));
  EXPECT_NE(before, MemberId(7));
  // There is no cluster any more that would take it.
  cluster[0].start();
  cluster.run(seconds(30));
  EXPECT_TRUE(cluster[0].down());
  EXPECT_TRUE(cluster[0].died_joining());
}

}  // namespace
}  // namespace holdfast::sim
