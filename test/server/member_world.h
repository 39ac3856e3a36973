// One whole member in virtual time: its log on a simulated disk, its backend in memory, its owners on executors whose tasks
// interleave at the seed's will. It can be stopped, or crash so that what was not synced is lost.
#pragma once

#include <memory>
#include <string>
#include <utility>

#include "backend/memory_engine.h"
#include "base/errors.h"
#include "gtest/gtest.h"
#include "server/member.h"
#include "sim/process.h"
#include "sim/scheduler.h"
#include "sim/sim_disk.h"
#include "test/server/v3_world.h"

namespace holdfast::server {

struct MemberWorld {
  explicit MemberWorld(uint64_t seed) : scheduler(seed), disk(seed) {
    config.name = "one";
    config.data_dir = "/data";
    config.initial_cluster = {{"one", {"http://one"}}};
    config.advertise_peer_urls = {"http://one"};
    config.advertise_client_urls = {"http://one:2379"};
    // Small, so that a short run goes through many of them.
    config.snapshot_count = 150;
    config.snapshot_catchup_entries = 50;
    config.wal_segment_bytes = 64 * 1024;
  }
  ~MemberWorld() { end(); }

  // Starts the member and waits until it serves.
  void boot() {
    start();
    ASSERT_TRUE(refused.ok()) << refused;
    ASSERT_TRUE(run_until([this] { return ready; })) << "not ready";
  }
  void start() {
    refused = absl::OkStatus();
    process = std::make_unique<sim::SimProcess>(scheduler, clock, sim::SimProcess::Options{.seed = next_seed()});
    process->set_busy_time([this] { return disk.take_busy_time() + std::exchange(commits_took_, {}); });
    image->before_commit = [this] {
      commits_took_ = commit_time;
      return absl::OkStatus();
    };
    process->on_death([](const std::string& message) { ADD_FAILURE() << "the member died: " << message; });
    io = &process->add_executor("io");
    sim::SimExecutor& apply = process->add_executor("apply");
    const Member::Executors executors{process->add_executor("raft"), process->add_executor("log"), apply,
                                      process->add_executor("backend"), process->add_executor("background")};
    apply.post([this, executors] {
      auto opened = Member::open(config, {clock, process->random(), disk, *process, process->faults(), metrics, log},
                                 executors, [this](const std::string& path) { return open_engine(path); },
                                 {*peers, nullptr});
      refused = opened.status();
      if (!opened.ok()) return;
      member = *std::move(opened);
      member->start({.ready = [this] { ready = true; }, .removed = {}});
    });
    ASSERT_TRUE(run_until([this] { return member != nullptr || !refused.ok(); }));
  }
  // Power off: the process is gone, and of what it had not synced a random part.
  void crash() {
    end();
    disk.crash();
  }
  // SIGTERM.
  void stop() {
    bool stopped = false;
    member->stop([&stopped] { stopped = true; });
    EXPECT_TRUE(run_until([&stopped] { return stopped; })) << "does not stop";
    end();
    disk.end_process();
  }

  // Runs events until `done()`, for a minute of virtual time at most.
  template <class Done>
  bool run_until(Done done) {
    const env::Instant end = scheduler.now() + std::chrono::minutes(1);
    while (!done()) {
      if (scheduler.now() > end || !scheduler.run_one()) return false;
    }
    return true;
  }
  void run_for(env::Duration time) { scheduler.run_until(scheduler.now() + time); }
  CallContext context() {
    CallContext context;
    context.reply_on = io;
    return context;
  }

  MemberConfig config;
  sim::SimScheduler scheduler;
  sim::SimClock clock{scheduler};
  sim::SimDisk disk;
  std::shared_ptr<backend::MemoryImage> image = std::make_shared<backend::MemoryImage>();
  env::Duration commit_time{};  // that a commit of the backend takes
  MapMetrics metrics;
  NullLogger log;
  NoPeers nobody;
  Peers* peers = &nobody;
  std::unique_ptr<sim::SimProcess> process;
  sim::SimExecutor* io = nullptr;  // of clients
  std::unique_ptr<Member> member;
  absl::Status refused;  // why it did not start
  bool ready = false;

 private:
  env::Duration commits_took_{};
  uint64_t next_seed() { return scheduler.random().next(); }
  // The image is the file; its name on the disk is what the bootstrap looks for.
  absl::StatusOr<std::unique_ptr<backend::Engine>> open_engine(const std::string& path) {
    auto file = disk.open(path, env::OpenMode::create_or_open);
    if (!file.ok()) return file.status();
    for (std::string folder = path; folder.size() > 1;) {
      folder.resize(folder.rfind('/'));
      if (absl::Status s = disk.sync_directory(folder.empty() ? "/" : folder); !s.ok()) return s;
    }
    return backend::make_memory_engine(image);
  }
  void end() {
    if (process) process->kill();
    member.reset();
    process.reset();
    ready = false;
  }
};

}  // namespace holdfast::server
