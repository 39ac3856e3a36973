// Where permissions are asked when a command is applied (etcd apply/auth.go). The auth store implements it; OpenToAll is
// what it says while auth is off. Called on the apply owner's executor, and for read-only txns on I/O threads.
#pragma once

#include <cstdint>
#include <string_view>

#include "absl/status/status.h"
#include "base/types.h"

namespace etcdserverpb {
class DeleteRangeRequest;
class RequestOp;
class TxnRequest;
}  // namespace etcdserverpb

namespace holdfast::apply {

class GuardedLessor;
struct PutCommand;

// The entry's header: who proposed it, and the auth revision it was checked under.
struct Caller {
  std::string_view username;
  uint64_t auth_revision = 0;
};

class Authorizer {
 public:
  virtual ~Authorizer() = default;
  // Errors: auth_old_revision, permission_denied, user_empty.
  virtual absl::Status may_put(const Caller& who, std::string_view key) const = 0;
  virtual absl::Status may_range(const Caller& who, std::string_view key, std::string_view end) const = 0;
  virtual absl::Status may_delete(const Caller& who, std::string_view key, std::string_view end) const = 0;
  // Holder of the root role; OK for everybody while auth is off.
  virtual absl::Status is_admin(const Caller& who) const = 0;
};

class OpenToAll : public Authorizer {
 public:
  absl::Status may_put(const Caller&, std::string_view) const override { return absl::OkStatus(); }
  absl::Status may_range(const Caller&, std::string_view, std::string_view) const override {
    return absl::OkStatus();
  }
  absl::Status may_delete(const Caller&, std::string_view, std::string_view) const override {
    return absl::OkStatus();
  }
  absl::Status is_admin(const Caller&) const override { return absl::OkStatus(); }
};

// What one command needs, in etcd's order.
// KV-22, KV-25.
absl::Status check_put(const Authorizer& auth, const GuardedLessor& leases, const Caller& who,
                       const PutCommand& put);
absl::Status check_delete(const Authorizer& auth, const Caller& who,
                          const etcdserverpb::DeleteRangeRequest& request);
// TXN-14: both branches.
absl::Status check_txn(const Authorizer& auth, const GuardedLessor& leases, const Caller& who,
                       const etcdserverpb::TxnRequest& txn);
// LEA-04: WRITE on all keys of the lease, root exempt; OK if there is no such lease.
absl::Status check_lease_keys(const Authorizer& auth, const GuardedLessor& leases, const Caller& who,
                              LeaseId lease);

}  // namespace holdfast::apply
