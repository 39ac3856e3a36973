// Transactions (etcd txn/txn.go; parity TXN-05..17): compares against the state before, which fixes the path through all
// nested branches; checks of everything on that path; then the operations, which can't fail any more.
#pragma once

#include <functional>
#include <memory>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "apply/put.h"
#include "mvcc/store.h"

namespace etcdserverpb {
class TxnRequest;
class TxnResponse;
}  // namespace etcdserverpb

namespace holdfast::apply {

// TXN-13. A nested txn counts as a write; a txn without operations is both.
bool is_txn_read_only(const etcdserverpb::TxnRequest& txn);
bool is_txn_serializable(const etcdserverpb::TxnRequest& txn);

// Outcomes of the compares, for the txn itself and then for each nested one on the path, in order of execution.
using TxnPath = std::vector<bool>;
TxnPath compare_to_path(mvcc::TxnRead& txn, const etcdserverpb::TxnRequest& request);

// TXN-10. Errors: future_rev, compacted, lease_not_found, key_not_found.
absl::Status check_txn_path(mvcc::TxnRead& txn, const LeaseLookup& leases,
                            const etcdserverpb::TxnRequest& request, const TxnPath& path);

// A read-only txn on a read view, any thread (TXN-13). `cancelled` as in RangeExecution. Errors: those of
// check_txn_path(), CANCELLED.
absl::StatusOr<std::unique_ptr<etcdserverpb::TxnResponse>> read_txn(
    mvcc::TxnRead& txn, const etcdserverpb::TxnRequest& request,
    const std::function<bool()>* cancelled = nullptr);

// The write phase. `response` null: nobody waits for the answer, so ranges are left out (TXN-17) and it is not built.
void execute_txn(mvcc::WriteTxn& txn, const etcdserverpb::TxnRequest& request, const TxnPath& path,
                 etcdserverpb::TxnResponse* response);

}  // namespace holdfast::apply
