// Whether the fields of a request make sense, asked before anything else is done with it (etcd v3rpc/key.go; parity
// KV-01, KV-10, KV-23, KV-24, RS-02, TXN-01..04). Errors are base/errors.h's. Pure functions.
#pragma once

#include "absl/status/status.h"

namespace etcdserverpb {
class DeleteRangeRequest;
class PutRequest;
class RangeRequest;
class TxnRequest;
}  // namespace etcdserverpb

namespace holdfast::apply {

absl::Status check_range_request(const etcdserverpb::RangeRequest& request);
absl::Status check_range_stream_request(const etcdserverpb::RangeRequest& request);
absl::Status check_put_request(const etcdserverpb::PutRequest& request);
absl::Status check_delete_request(const etcdserverpb::DeleteRangeRequest& request);
// Sizes and fields first, then puts that meet each other or a delete in one branch (`duplicate_key`): the second check is
// bounded by the first. `max_ops`: --max-txn-ops.
absl::Status check_txn_request(const etcdserverpb::TxnRequest& request, int max_ops);

// KV-11: the order the store gives by itself.
bool has_default_order(const etcdserverpb::RangeRequest& request);
bool has_revision_filters(const etcdserverpb::RangeRequest& request);

}  // namespace holdfast::apply
