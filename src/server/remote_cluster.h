// What a member asks others over their peer ports, outside of raft (etcd server/etcdserver/cluster_util.go; parity
// PEERH-02, PEERH-03, PEERH-06, PEERH-07, PEERH-08, RAFT-29). peer/ implements it over HTTP, the simulator over its network.
//
// Each call is one request to one URL: "http://host:port", without a path. Redirects are not followed. Thread-safe; the
// answer comes exactly once, on `reply_on`, never inside the call: after `timeout` at the latest, then UNAVAILABLE.
#pragma once

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "base/task.h"
#include "base/types.h"
#include "env/executor.h"
#include "membership/member.h"
#include "mvcc/store.h"

namespace holdfast::server {

class RemoteCluster {
 public:
  virtual ~RemoteCluster() = default;

  struct Request {
    std::string url;
    env::Duration timeout;
    env::Executor* reply_on;
  };
  template <class T>
  using Done = UniqueFunction<void(absl::StatusOr<T>)>;

  // GET /members; the cluster's id from the field X-Etcd-Cluster-ID. Any other answer than this is an error.
  struct Membership {
    ClusterId cluster;
    std::vector<membership::Member> members;
  };
  virtual void get_members(const Request& request, Done<Membership> done) = 0;

  // GET /version; `cluster` may be "not_decided". Unset fields are empty.
  struct Versions {
    std::string server;
    std::string cluster;
  };
  virtual void get_versions(const Request& request, Done<Versions> done) = 0;

  // GET /downgrade/enabled.
  virtual void is_downgrading(const Request& request, Done<bool> done) = 0;

  // GET /members/hashkv: the hash of the member's data at `revision` (0: its current one). Errors of its own: compacted,
  // future_rev, cluster_id_mismatch (PEERH-06).
  virtual void get_hash(const Request& request, ClusterId cluster, Revision revision,
                        Done<mvcc::HashResult> done) = 0;

  // POST /members/promote/{id}, to the leader; `token` goes into the field Authorization if it isn't empty. The members
  // after the promotion, or by the answer's status code (etcd promoteMemberHTTP): 408 timeout; 412 with the text of
  // learner_not_ready or member_not_learner in the body that error; 404 member_not_found; any other
  // Unknown "member promote: unknown error(<body>)".
  virtual void promote(const Request& request, MemberId id, const std::string& token,
                       Done<std::vector<membership::Member>> done) = 0;
};

}  // namespace holdfast::server
