// Range on a snapshot of the store (etcd txn/range.go; parity KV-02..12): for the Range RPC on I/O threads, inside txns,
// and for range entries that older members put into the log.
#pragma once

#include <functional>

#include "absl/status/status.h"
#include "mvcc/store.h"

namespace etcdserverpb {
class RangeRequest;
class RangeResponse;
}  // namespace etcdserverpb

namespace mvccpb {
class KeyValue;
}

namespace holdfast::apply {

struct RangeExecution {
  mvcc::Count count = mvcc::Count::total;
  // Asked for each key whose value is fetched (KV-15); null if nobody gives up.
  const std::function<bool()>* cancelled = nullptr;
};

// Fills `response` (empty before): pairs, more, count, and the header with the revision only. `request` passed
// check_range_request(). Errors: compacted, future_rev, CANCELLED. Any thread, as `txn` allows.
absl::Status execute_range(mvcc::TxnRead& txn, const etcdserverpb::RangeRequest& request,
                           const RangeExecution& execution, etcdserverpb::RangeResponse& response);

void copy_pair(const mvcc::KeyValueView& from, mvccpb::KeyValue& to);
void move_pair(mvcc::KeyValue&& from, mvccpb::KeyValue& to);

}  // namespace holdfast::apply
