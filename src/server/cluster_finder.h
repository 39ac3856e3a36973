// Which cluster a member with an empty data directory belongs to (etcd bootstrap.go bootstrapNewClusterNoWAL and
// bootstrapExistingClusterNoWAL, cluster_util.go, config.go VerifyBootstrap and VerifyJoinExisting; parity MEM-01..03,
// MEM-11, MEM-12, OPS-06, VER-09). Runs before Member::open(), since others may have to be asked; a member that has a log
// asks nobody (MEM-13) and needs none of this.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "base/log.h"
#include "env/executor.h"
#include "env/name_resolver.h"
#include "membership/member.h"
#include "server/member_config.h"
#include "server/member_versions.h"
#include "server/remote_cluster.h"

namespace holdfast::server {

struct ClusterOrigin {
  enum class Kind : uint8_t { founded, joined };
  Kind kind = Kind::founded;
  MemberId self;
  ClusterId cluster;
  // By id. Founded: what the cluster begins with. Joined: what the flags say, with the cluster's ids.
  std::vector<membership::Member> members;
  // Joined: the members as the cluster knows them, who may have to be reached before the log has told of them.
  std::vector<membership::Member> remotes;
};

// Forms a cluster of members that only know a common token (etcd v3discovery.JoinCluster).
class Discovery {
 public:
  virtual ~Discovery() = default;
  // Registers "name=url" pairs for this member and waits until all are there. The --initial-cluster of the whole, or
  // etcd's error; on `executor`, never inside the call.
  virtual void join(MemberId self, const std::string& own_urls, env::Executor& executor,
                    UniqueFunction<void(absl::StatusOr<std::string>)> done) = 0;
};

class ClusterFinder {
 public:
  struct Parts {
    env::Executor& executor;   // names are resolved on it, which may take seconds
    RemoteCluster* remote;     // null: nobody can be asked
    env::NameResolver& names;
    Discovery* discovery;      // null: --initial-cluster says who is a member
    Logger& log;
  };
  ClusterFinder(Parts parts, const MemberConfig& config);

  // Once, any thread; `done` runs on the executor. The finder must live until then. FailedPrecondition with etcd's text
  // for a cluster that this member can't found or join.
  using Done = UniqueFunction<void(absl::StatusOr<ClusterOrigin>)>;
  void find(Done done);

 private:
  using Members = std::vector<membership::Member>;
  using Next = UniqueFunction<void(absl::Status)>;
  void found();
  void ask_bootstrapped();
  void discover();
  void join();
  void ask_membership();
  void match(size_t existing, std::vector<size_t> free);
  void check_compatible();
  void ask_downgrading(size_t next);
  void check_versions(bool downgrading);

  // Asks the URLs one after the other for their members.
  void ask_members(std::vector<std::string> urls, size_t next, env::Duration timeout,
                   UniqueFunction<void(absl::StatusOr<RemoteCluster::Membership>)> done);
  // Compares as etcd does: addresses if the texts differ, trying for up to 30 s to resolve them.
  void compare_urls(std::vector<std::string> a, std::vector<std::string> b, env::Instant deadline,
                    Next next);
  std::vector<std::string> urls_of_others() const;
  const membership::Member& self() const;
  void finish(absl::StatusOr<ClusterOrigin> origin);

  const Parts parts_;
  const MemberConfig& config_;
  Done done_;
  Members members_;                        // by the flags
  RemoteCluster::Membership existing_;
  MemberVersions versions_;
};

// What the flags alone say against founding a cluster, names looked up once (etcd config.go VerifyBootstrap).
absl::Status verify_founding(env::NameResolver& names, const MemberConfig& config);

// OK if the member may join members with these versions (VER-09; etcd isCompatibleWithVers).
bool is_compatible(const MemberVersions& versions, bool downgrading, Logger& log);

}  // namespace holdfast::server
