// One member of the cluster, put together: what a data directory and a world make of it. Holds the parts and starts and
// stops them in order; what happens is in the parts.
//
// Executors: five roles and readers, which the wiring (apps/, sim/) may give to as many threads, fewer, or one simulated
// scheduler. The member must outlive every task on them: stop the executors before destroying it.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <vector>

#include "absl/status/statusor.h"
#include "backend/engine.h"
#include "base/log.h"
#include "env/clock.h"
#include "env/executor.h"
#include "env/fault_points.h"
#include "env/file_system.h"
#include "env/metrics.h"
#include "env/process.h"
#include "env/random.h"
#include "mvcc/watch_feed.h"
#include "raft/message.h"
#include "raft/raw_node.h"
#include "server/cluster_finder.h"
#include "server/cluster_services.h"
#include "server/lease_requests.h"
#include "server/member_config.h"
#include "server/peers.h"
#include "server/remote_cluster.h"
#include "server/request_door.h"
#include "server/v3_server.h"
#include "server/version_monitor.h"

namespace holdfast::server {

class Member {
 public:
  struct World {
    const env::Clock& clock;
    env::RandomSource& random;
    env::FileSystem& files;
    env::Process& process;
    env::FaultPoints& faults;
    env::Metrics& metrics;
    Logger& log;
  };
  struct Executors {
    env::Executor& raft;        // raft owner, read index, time-outs
    env::Executor& log;         // log writer
    env::Executor& apply;       // apply owner and the state it changes, leases
    env::Executor& backend;     // commits
    env::Executor& background;  // compaction, hashes, purge, other chores
    // Long reads of clients (LongReads). Unlike the others they must be stopped before stop() is called.
    std::vector<env::Executor*> readers = {};
  };
  using OpenEngine =
      std::function<absl::StatusOr<std::unique_ptr<backend::Engine>>(const std::string& path)>;
  struct Links {
    Peers& peers;
    RemoteCluster* remote = nullptr;  // null: a cluster of one, nobody can be asked
    // Asks the leader about leases; null: there are no others to ask.
    LeaderLessor* leader_lessor = nullptr;
  };

  // Founds a new member or takes up an old one. Call it on the apply executor; nothing runs before start(). `origin`: what
  // a ClusterFinder found for a new member; without it the flags alone found a cluster. Nobody looks at it if this member
  // has a log.
  static absl::StatusOr<std::unique_ptr<Member>> open(const MemberConfig& config, const World& world,
                                                      const Executors& executors,
                                                      const OpenEngine& open_engine, Links links,
                                                      std::optional<ClusterOrigin> origin = {});
  // Whether this member has lived before, and so needs no ClusterFinder.
  static bool has_log(env::FileSystem& files, const MemberConfig& config);
  ~Member();
  Member(const Member&) = delete;
  Member& operator=(const Member&) = delete;

  // OPS-14, before start(), with --feature-gates=InitialCorruptCheck=true: an error if other members hold different data.
  // `done` runs on the background executor.
  void check_for_corruption(UniqueFunction<void(absl::Status)> done);
  // Any thread. `ready` runs on the background executor once the member has published itself (TRP-65).
  // `removed` runs on the apply executor if the cluster removes this member (MEM-15); it should be stopped soon then.
  struct Events {
    Task ready;
    Task removed;
  };
  void start(Events events);
  // Any thread, once. A leader first hands leadership over, if somebody can take it (OPS-11). Requests under way are
  // answered `stopped`; what was applied is committed; files are closed.
  // `stopped` runs on some executor of the member.
  void stop(Task stopped);

  V3Server& v3();
  LeaseRequests& leases();
  ClusterServices cluster_services();
  const MemberInfo& info() const;
  // Everything that changes, for the hubs of watchers, who share it.
  const std::shared_ptr<mvcc::WatchFeed>& watch_feed();
  RequestDoor& door();  // thread-safe
  RequestIdGenerator& request_ids();
  MemberOperations& operations();  // thread-safe

  // From the other members. Any thread. No MsgSnap: see receive_snapshot().
  void receive(raft::Message message);
  // In this order; `taken` runs on the raft executor when raft has seen them.
  void receive(std::vector<raft::Message> messages, Task taken);
  // A MsgSnap whose body lies in `received_path`: a file in snap_dir() named tmp* (those are removed at the next start),
  // complete and synced. Takes the file over: gives it its place ({index:016x}.snap.db), durably, then hands the message
  // to raft. Waits for the disk: call it where the file was written. After an error raft has not seen the message and
  // the file is gone.
  absl::Status receive_snapshot(raft::Message message, const std::string& received_path);
  void report_unreachable(MemberId id);
  // Its process has ended, or never began (leader_loss.h). May be said often.
  void report_gone(MemberId id);
  void report_snapshot(MemberId id, raft::SnapshotStatus status);
  // For harnesses, on the raft executor: the node itself, to be looked at.
  const raft::RawNode& node() const;

 private:
  struct Parts;
  explicit Member(std::unique_ptr<Parts> parts);
  std::unique_ptr<Parts> parts_;
};

}  // namespace holdfast::server
