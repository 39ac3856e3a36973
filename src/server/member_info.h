// What the request logic, the RPC services and the HTTP end points ask the member about itself, and
// the few things they ask it to do. The member implements both interfaces over what its owners
// publish; rpc/ and simulation clients see nothing else of it.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/task.h"
#include "base/types.h"
#include "env/executor.h"

namespace holdfast::apply {
struct Alarm;  // apply/alarm_store.h
}
namespace holdfast::membership {
class Cluster;  // membership/cluster.h
}
namespace holdfast::mvcc {
class Store;
struct HashResult;
}  // namespace holdfast::mvcc

namespace holdfast::server {

class SnapshotPieces;  // server/snapshot_pieces.h

// etcd's version whose behaviour and API this is: Status, /version and clients see it.
inline constexpr std::string_view kEtcdVersion = "3.7.1";

// Thread-safe, and never waits: every answer is right at some recent moment. The calls above the
// line are made for each request and cost an atomic load or two; those below may take a lock and
// copy.
class MemberInfo {
 public:
  virtual ~MemberInfo() = default;

  virtual MemberId member_id() const = 0;
  virtual ClusterId cluster_id() const = 0;
  virtual Term term() const = 0;
  virtual MemberId leader() const = 0;  // 0: none
  virtual Index committed() const = 0;
  virtual Index applied() const = 0;
  // This member is in the member list, and is a learner there (GEN-08: false while it is not
  // listed).
  virtual bool is_learner() const = 0;
  virtual int64_t db_size() const = 0;  // bytes allocated, BKT-15
  // The store to read from, never null. Shared with the reads under way: installing a snapshot
  // replaces it, and the old one goes when its last reader is done (on the apply owner's executor:
  // the deleter's business).
  virtual std::shared_ptr<mvcc::Store> store() const = 0;

  // ---

  // By type, then by member, as Maintenance.Alarm answers.
  virtual std::vector<apply::Alarm> alarms() const = 0;
  // Members, versions, downgrade: an immutable copy, never null.
  virtual std::shared_ptr<const membership::Cluster> cluster() const = 0;
  virtual int64_t db_size_in_use() const = 0;       // bytes
  virtual std::string storage_version() const = 0;  // "3.7.0"; empty if unknown
  // raft.Status as JSON, for /debug/vars (HTTP-09). "null" before raft runs.
  virtual std::string raft_status_json() const = 0;
};

// Work on the member's files, for Maintenance. Thread-safe; each answers exactly once, on
// `reply_on`, never inside the call.
class MemberOperations {
 public:
  virtual ~MemberOperations() = default;

  using Done = UniqueFunction<void(absl::Status)>;
  // BKT-14. Errors are the engine's, as text.
  virtual void defragment(env::Executor& reply_on, Done done) = 0;
  // Everything applied so far becomes durable in the backend (KV-29).
  virtual void commit_backend(env::Executor& reply_on, Done done) = 0;

  // What is applied now, as a bbolt file. Errors: `stopped`.
  virtual void open_snapshot(
      env::Executor& reply_on,
      UniqueFunction<void(absl::StatusOr<std::unique_ptr<SnapshotPieces>>)> done) = 0;

  struct BackendHash {
    uint32_t hash = 0;
    Revision revision;
  };
  // MNT-06; with the store's revision at that moment.
  virtual void hash(env::Executor& reply_on,
                    UniqueFunction<void(absl::StatusOr<BackendHash>)> done) = 0;
  // MNT-07: mvcc::Store::hash_kv, away from the I/O threads. Errors: compacted, future_rev.
  virtual void hash_kv(env::Executor& reply_on, Revision revision,
                       UniqueFunction<void(absl::StatusOr<mvcc::HashResult>)> done) = 0;
};

}  // namespace holdfast::server
