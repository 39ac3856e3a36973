#include "apply/authorizer.h"

#include <string>
#include <vector>

#include "apply/guarded_lessor.h"
#include "apply/put.h"
#include "rpc.pb.h"

namespace holdfast::apply {

namespace {

namespace pb = etcdserverpb;

absl::Status check_operation(const Authorizer& auth, const GuardedLessor& leases,
                             const Caller& who, const pb::RequestOp& operation) {
  switch (operation.request_case()) {
    case pb::RequestOp::kRequestRange:
      return auth.may_range(who, operation.request_range().key(),
                            operation.request_range().range_end());
    case pb::RequestOp::kRequestPut:
      return check_put(auth, leases, who, view_of(operation.request_put()));
    case pb::RequestOp::kRequestDeleteRange: {
      // The other way round than for a delete alone: which error comes first is visible.
      const pb::DeleteRangeRequest& request = operation.request_delete_range();
      if (request.prev_kv())
        if (absl::Status status = auth.may_range(who, request.key(), request.range_end());
            !status.ok())
          return status;
      return auth.may_delete(who, request.key(), request.range_end());
    }
    case pb::RequestOp::kRequestTxn:
      return check_txn(auth, leases, who, operation.request_txn());
    case pb::RequestOp::REQUEST_NOT_SET:
      break;
  }
  return absl::OkStatus();
}

}  // namespace

absl::Status check_put(const Authorizer& auth, const GuardedLessor& leases, const Caller& who,
                       const PutCommand& put) {
  if (absl::Status status = auth.may_put(who, put.key); !status.ok()) return status;
  // Who may not write all keys of the lease could not revoke it, so hangs nothing more on it.
  if (put.lease)
    if (absl::Status status = check_lease_keys(auth, leases, who, put.lease); !status.ok())
      return status;
  return put.prev_kv ? auth.may_range(who, put.key, {}) : absl::OkStatus();
}

absl::Status check_delete(const Authorizer& auth, const Caller& who,
                          const pb::DeleteRangeRequest& request) {
  if (absl::Status status = auth.may_delete(who, request.key(), request.range_end()); !status.ok())
    return status;
  return request.prev_kv() ? auth.may_range(who, request.key(), request.range_end())
                           : absl::OkStatus();
}

absl::Status check_txn(const Authorizer& auth, const GuardedLessor& leases, const Caller& who,
                       const pb::TxnRequest& txn) {
  for (const pb::Compare& compare : txn.compare())
    if (absl::Status status = auth.may_range(who, compare.key(), compare.range_end());
        !status.ok())
      return status;
  for (const auto* branch : {&txn.success(), &txn.failure()})
    for (const pb::RequestOp& operation : *branch)
      if (absl::Status status = check_operation(auth, leases, who, operation); !status.ok())
        return status;
  return absl::OkStatus();
}

absl::Status check_lease_keys(const Authorizer& auth, const GuardedLessor& leases,
                              const Caller& who, LeaseId lease) {
  if (auth.is_admin(who).ok()) return absl::OkStatus();
  const std::vector<std::string> keys =
      leases.with([&](const lease::Lessor& lessor) { return lessor.keys_of(lease); });
  for (const std::string& key : keys)
    if (absl::Status status = auth.may_put(who, key); !status.ok()) return status;
  return absl::OkStatus();
}

}  // namespace holdfast::apply
