// The doors through which every request enters consensus: a write is proposed and answered when it is applied
// here; a linearizable read waits for a read index. All are thread-safe; all answer exactly once, on the caller's
// executor, never inside the call.
#pragma once

#include <limits>
#include <memory>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "apply/result.h"
#include "base/task.h"
#include "base/types.h"
#include "env/executor.h"
#include "raft/types.h"

namespace holdfast::server {

inline constexpr env::Instant kNoDeadline{std::numeric_limits<int64_t>::max()};

// Who asks: the verified user of a token or certificate, empty when auth is off (etcd auth.AuthInfo).
struct AuthInfo {
  std::string username;
  uint64_t revision = 0;
};

struct CallContext {
  env::Executor* reply_on = nullptr;     // where the answer is delivered; must outlive the call
  env::Instant deadline = kNoDeadline;   // the client's; ReqTimeout (PUT-07) bounds the call besides
  AuthInfo auth;
  // What a leader decided on its own: dropped with ErrNotLeader if this member leads no more, instead of forwarded to the
  // next leader, who knows better.
  bool only_as_leader = false;
};

// Field numbers of InternalRaftRequest (raft_internal.proto).
enum class Command : uint32_t {
  range = 3, put = 4, delete_range = 5, txn = 6, compaction = 7, lease_grant = 8, lease_revoke = 9,
  alarm = 10, lease_checkpoint = 11, auth_enable = 1000, auth_disable = 1011, authenticate = 1012,
  auth_status = 1013, auth_user_add = 1100, auth_user_delete = 1101, auth_user_get = 1102,
  auth_user_change_password = 1103, auth_user_grant_role = 1104, auth_user_revoke_role = 1105,
  auth_user_list = 1106, auth_role_list = 1107, auth_role_add = 1200, auth_role_delete = 1201,
  auth_role_get = 1202, auth_role_grant_permission = 1203, auth_role_revoke_permission = 1204,
  cluster_version_set = 1300, cluster_member_attr_set = 1301, downgrade_info_set = 1302,
  conf_change = 0  // not a field: a change of membership, an entry type of its own
};

using ProposalDone = UniqueFunction<void(std::unique_ptr<apply::Result>)>;  // never null
using ReadDone = UniqueFunction<void(absl::Status)>;

class Proposer {
 public:
  virtual ~Proposer() = default;
  // Steps 3 to 10 of the Put path (etcd processInternalRaftRequestOnce): back-pressure, request id, size limit, wait
  // table, proposal, apply. `request` is the serialized request message; it is spliced into the raft entry as it is.
  // The result's status is etcd's: too_many_requests, request_too_large, timeout*, canceled, stopped, or what apply said.
  virtual void propose(const CallContext& context, Command command, std::string_view request,
                       ProposalDone done) = 0;
};

class V2Proposer {
 public:
  virtual ~V2Proposer() = default;
  // A PUT of etcd's v2 API, for members that know no other form of it (membership/v2_store.h); counted as `command`.
  virtual void propose_v2_put(const CallContext& context, Command command, std::string_view path,
                              std::string_view value, ProposalDone done) = 0;
};

class ConfChangeProposer {
 public:
  virtual ~ConfChangeProposer() = default;
  // A change of the cluster's membership, answered when it is applied and raft may take the next one (CLU-11).
  // `change.id` is set here.
  virtual void propose_conf_change(const CallContext& context, raft::ConfChange change,
                                   ProposalDone done) = 0;
};

class LinearizableReader {
 public:
  virtual ~LinearizableReader() = default;
  // OK when everything committed before the call is applied here (RD-01..06); else timeout*, leader_changed, stopped.
  virtual void wait_read(const CallContext& context, ReadDone done) = 0;
};

}  // namespace holdfast::server
