// The fault points of the code, on whole members: this test alone is linked with a log that has them compiled in
// (CMakeLists.txt). Where one strikes, the member ends, as of a disk that fails; what was acknowledged is there when it
// comes back.
#include <string>

#include "sim/acknowledged_writes.h"
#include "sim/workload.h"
#include "sim_cluster.h"

namespace holdfast::sim {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

std::vector<KvPair> pairs_of(Machine& machine, int64_t& revision) {
  std::vector<KvPair> pairs;
  mvcc::ReadTxn txn = machine.member().info().store()->read();
  const auto all = txn.range(std::string_view("\0", 1), std::string_view("\0", 1), {});
  revision = all->revision.value;
  for (const mvcc::KeyValue& kv : all->pairs)
    pairs.push_back({kv.key, kv.value, kv.create_revision.value, kv.mod_revision.value, kv.version});
  return pairs;
}

struct Point {
  std::string name;
  uint32_t ppm;  // segments are cut seldom
};

class FaultPoints : public testing::TestWithParam<Point> {};

TEST_P(FaultPoints, EndTheMemberAndLoseNothing) {
  const auto& [point, ppm] = GetParam();
  Knobs knobs = quiet_knobs(3, 3);
  knobs.config.wal_segment_bytes = 8'192;  // so that there are cuts
  knobs.config.wal_zero_ahead_bytes = 1'024;
  SimCluster cluster(knobs);
  uint32_t strikes_ppm = 0;
  const auto arm = [&, name = point](Machine& machine) {
    if (!machine.down()) machine.process()->faults().set(name, strikes_ppm);
  };
  cluster.on_ended = [&](Machine& machine) {
    cluster.scheduler.after(milliseconds(500), [&] {
      machine.start();
      arm(machine);
    });
  };
  cluster.start();
  strikes_ppm = ppm;
  for (const auto& machine : cluster.machines) arm(*machine);
  Workload workload(cluster.scheduler, cluster.machines, cluster.knobs.clients);
  workload.start();
  cluster.run(seconds(60));
  workload.stop();
  strikes_ppm = 0;
  for (const auto& machine : cluster.machines) arm(*machine);
  cluster.run(seconds(30));

  EXPECT_GT(workload.counts().acknowledged, 100u);
  ASSERT_GE(cluster.ended.size(), 3u) << point << " never struck";
  for (const std::string& why : cluster.ended)
    EXPECT_NE(why.find("fault point " + point), std::string::npos) << why;
  EXPECT_TRUE(cluster.violations.empty());
  for (const auto& machine : cluster.machines) {
    ASSERT_TRUE(machine->serving());
    int64_t revision = 0;
    const std::vector<KvPair> pairs = pairs_of(*machine, revision);
    const Verdict verdict = check_acknowledged(workload.history(), pairs, revision);
    EXPECT_TRUE(verdict.holds()) << machine->name() << ": " << verdict.what;
  }
  cluster.end();
}

INSTANTIATE_TEST_SUITE_P(Wal, FaultPoints,
                         testing::Values(Point{"wal.before_write", 20'000}, Point{"wal.before_sync", 20'000},
                                         Point{"wal.after_sync", 20'000}, Point{"wal.after_cut", 700'000}));

}  // namespace
}  // namespace holdfast::sim
