// One put (etcd txn/put.go; parity KV-20..24).
#pragma once

#include <string_view>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "base/types.h"
#include "mvcc/store.h"

namespace etcdserverpb {
class PutRequest;
class PutResponse;
}  // namespace etcdserverpb

namespace holdfast::apply {

// The fields of a PutRequest, wherever they are kept.
struct PutCommand {
  std::string_view key;
  std::string_view value;
  LeaseId lease;
  bool prev_kv = false;
  bool ignore_value = false;
  bool ignore_lease = false;

  bool needs_previous() const { return prev_kv || ignore_value || ignore_lease; }
};
PutCommand view_of(const etcdserverpb::PutRequest& request);

using LeaseLookup = absl::FunctionRef<bool(LeaseId)>;  // whether there is such a lease

// Errors: lease_not_found, key_not_found. `txn` is only read if the put asks for what was there.
absl::Status check_put_target(mvcc::TxnRead& txn, const LeaseLookup& leases, const PutCommand& put);

// After check_put_target(). If a delete of the same txn took the key meanwhile (TRP-11), what was to be kept is empty.
// `response` may be null. Returns the revision at which the key was put.
Revision execute_put(mvcc::WriteTxn& txn, const PutCommand& put, etcdserverpb::PutResponse* response);

}  // namespace holdfast::apply
