// A log on a simulated disk, and who watches it: what the tests of one log share.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "gtest/gtest.h"
#include "sim/sim_disk.h"
#include "wal/wal.h"
#include "wal_fixture.h"

namespace holdfast::wal {

inline constexpr char kDir[] = "/data/member/wal";

class RecordingMetrics : public env::NullMetrics {
 public:
  struct Series : env::Histogram, env::Gauge {
    void observe(double v) override { values.push_back(v); }
    void set(double v) override { values = {v}; }
    void add(double n) override { total += n; }
    std::vector<double> values;
    double total = 0;
  };
  env::Gauge& gauge(const std::string& name, const std::string&, const env::Labels&) override {
    return series[name];
  }
  env::Histogram& histogram(const std::string& name, const std::string&,
                            const std::vector<double>& bounds, const env::Labels&) override {
    buckets[name] = bounds;
    return series[name];
  }
  std::map<std::string, Series> series;
  std::map<std::string, std::vector<double>> buckets;
};

class WalTest : public ::testing::Test {
 protected:
  void SetUp() override {
    ASSERT_TRUE(disk_.create_directories("/data/member").ok());
    ASSERT_TRUE(disk_.sync_directory("/").ok());
    ASSERT_TRUE(disk_.sync_directory("/data").ok());
  }

  std::unique_ptr<Wal> create() {
    auto wal = Wal::create(test_.world, options_, kDir, "somedata");
    EXPECT_TRUE(wal.ok()) << wal.status();
    return *std::move(wal);
  }
  absl::StatusOr<Wal::Opened> open(const SnapshotRecord& from = {}) {
    return Wal::open(test_.world, options_, kDir, from);
  }
  std::string file(const std::string& name) {
    return *env::read_file(disk_, std::string(kDir) + "/" + name, 1 << 30);
  }
  void save(Wal& wal, uint64_t first, uint64_t last, uint64_t term = 1, size_t size = 10) {
    for (uint64_t i = first; i <= last; ++i) {
      const raft::Entry e = entry(i, term, std::string(size, 'v'));
      ASSERT_TRUE(wal.save(state(term, 1, i - 1), {&e, 1}).ok());
    }
  }

  sim::SimDisk disk_{1};
  TestWorld test_{disk_};
  Options options_{.segment_bytes = 4096};
};

}  // namespace holdfast::wal
