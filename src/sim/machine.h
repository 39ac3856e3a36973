// One simulated machine: a disk and a clock that last, and on them the process of a member, or none. The process is a whole
// server::Member over the simulated world; its backend is the memory engine, whose image lasts as the disk does.
//
// A machine is part of the cluster or waits outside of it. Founders are part of it from the start; others join() under the
// id that the cluster gave them, and leave() when it has removed them: then the disk is wiped, and they may join again, as
// somebody else.
//
// Called by the scheduler's events, never from inside a task of the process.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "backend/memory_engine.h"
#include "base/log.h"
#include "membership/initial_cluster.h"
#include "raft/configuration_history.h"
#include "raft/invariants.h"
#include "server/member.h"
#include "sim/network.h"
#include "sim/process.h"
#include "sim/sim_metrics.h"
#include "sim/sim_disk.h"

namespace holdfast::sim {

class RemoteCalls;

// Which owners share a thread (docs/decisions/0005): both must be right.
enum class Wiring : uint8_t { five_executors, raft_and_log_share, all_share };

class Machine {
 public:
  struct World {
    SimScheduler& scheduler;
    SimNetwork& network;
    Logger& log;
    raft::ClusterInvariants& cluster_invariants;
    raft::ConfigurationHistory& configurations;
    std::function<void(std::string)> violation;
    // The member's process ended by itself, or its member could not be opened: what it said. Called outside of its tasks.
    std::function<void(Machine&, std::string)> ended;
    // After each task of the apply executor.
    std::function<void(Machine&)> applied;
    // Where that member runs or ran; null: nowhere.
    std::function<Machine*(MemberId)> find;
    // Where that peer URL leads; null: nowhere.
    std::function<Machine*(const std::string&)> find_url;
    // --initial-cluster of one that joins, as its administrator knows it when the process starts.
    std::function<membership::InitialCluster()> initial_cluster;
    // A process ended, and its machine still has power: whoever dials it is refused. Called outside of its tasks.
    std::function<void(Machine&)> refuses;
  };
  // Cache: power, and all that the disk only said it had synced.
  enum class Loss : uint8_t { power, process, cache };

  enum class Role : uint8_t { founder, spare };

  Machine(World world, Address address, Role role, server::MemberConfig config, Wiring wiring,
          size_t snapshot_piece_bytes);
  ~Machine();
  Machine(const Machine&) = delete;
  Machine& operator=(const Machine&) = delete;

  const std::string& name() const { return config_.name; }
  Address address() const { return address_; }
  bool in_cluster() const { return in_cluster_; }
  // Both while it is down.
  void join(MemberId id);
  void leave();
  // Counts the times it joined, the founding included.
  uint64_t lives() const { return lives_; }
  const std::string& peer_url() const { return config_.advertise_peer_urls.front(); }

  // Starts the process. It must be down, and part of the cluster.
  void start();
  // Ends it. Power: what was not synced is lost in part. Process: the page cache stays.
  void crash(Loss loss);
  // Asks the member to stop in good order; the process ends when it has.
  void stop();
  // The power fails during the `nth` disk operation from now on (1: the next one).
  void crash_at_disk_operation(uint64_t nth);

  bool down() const { return process_ == nullptr; }
  // There is a member that can be asked.
  bool serving() const { return running() && started_ && !stopping_; }
  // Also before it serves, and while it stops.
  bool running() const { return member_ != nullptr && process_->alive(); }
  bool stopping() const { return process_ != nullptr && stopping_; }
  SimProcess* process() { return process_.get(); }
  server::Member& member() { return *member_; }
  env::Executor& rpc() { return *rpc_; }
  env::Executor& background() { return *background_; }
  std::string snap_dir() const { return config_.snap_dir(); }
  SimClock& clock() { return clock_; }
  SimDisk& disk() { return disk_; }
  // The backend's disk.
  backend::MemoryImage& database() { return *image_; }
  // Errors of its commits; see MemoryImage.
  void fail_commits(std::function<absl::Status()> before_commit) { image_->before_commit = std::move(before_commit); }
  MemberId id() const { return id_; }
  uint64_t starts() const { return starts_; }
  // When it was started last, in true time.
  env::Instant started_at() const { return started_at_; }
  // It had no log yet, and found no cluster that would take it: a supervisor starts it again.
  bool died_joining() const { return died_joining_; }
  // Since the beginning.
  uint64_t snapshots_sent() const { return snapshots_sent_; }
  uint64_t snapshots_installed() const { return installed_before_ + image_->successions; }
  size_t deepest_queue() const;
  // Requests of this process that wait for what was proposed.
  uint64_t proposals_pending() const {
    return static_cast<uint64_t>(metrics_.value("etcd_server_proposals_pending"));
  }

 private:
  class Link;
  void open();
  void find_cluster();
  void open_member(std::optional<server::ClusterOrigin> origin);
  void receive(raft::Message message);
  void take_part();
  void told_of_removal();
  void inspect(const SimExecutor& executor);
  void end(Loss loss);
  absl::StatusOr<std::unique_ptr<backend::Engine>> open_engine(const std::string& path);

  const World world_;
  const Address address_;
  server::MemberConfig config_;
  const Wiring wiring_;
  const size_t snapshot_piece_bytes_;
  SimClock clock_;
  SimDisk disk_;
  std::shared_ptr<backend::MemoryImage> image_;  // shared with the engine, which dies with the process
  raft::Invariants invariants_;
  std::optional<uint64_t> raft_changes_;  // when the invariants were checked last, in this process
  MemberId id_;  // 0: outside of the cluster
  bool in_cluster_;
  uint64_t lives_ = 0;
  env::Instant started_at_{0};
  bool died_joining_ = false;
  bool told_ = false;  // that it was removed
  uint64_t installed_before_ = 0;  // snapshots, in earlier lives
  uint64_t starts_ = 0;
  uint64_t snapshots_sent_ = 0;
  size_t deepest_queue_ = 0;
  SimMetrics metrics_;  // watchers of an earlier process may still count down
  std::unique_ptr<SimProcess> process_;
  std::unique_ptr<Link> link_;
  std::unique_ptr<RemoteCalls> calls_;
  SimExecutor* rpc_ = nullptr;
  SimExecutor* raft_ = nullptr;
  SimExecutor* apply_ = nullptr;
  SimExecutor* background_ = nullptr;
  std::unique_ptr<server::Member::Executors> executors_;
  std::unique_ptr<server::ClusterFinder> finder_;
  std::unique_ptr<server::Member> member_;
  bool started_ = false;  // the member takes part
  bool stopping_ = false;
  uint64_t disk_operations_left_ = 0;  // until the power fails
};

}  // namespace holdfast::sim
