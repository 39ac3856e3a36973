#include "apply/delete_range.h"

#include "apply/range.h"
#include "base/check.h"
#include "rpc.pb.h"

namespace holdfast::apply {

void execute_delete_range(mvcc::WriteTxn& txn, const etcdserverpb::DeleteRangeRequest& request,
                          etcdserverpb::DeleteRangeResponse* response) {
  if (request.prev_kv() && response != nullptr) {
    auto summary = txn.visit(
        request.key(), request.range_end(), {},
        [&](const mvcc::KeyValueView& pair) { copy_pair(pair, *response->add_prev_kvs()); });
    CHECK(summary.ok(), "reading what is about to be deleted failed");
  }
  const int64_t deleted = txn.delete_range(request.key(), request.range_end());
  if (response == nullptr) return;
  response->set_deleted(deleted);
  response->mutable_header()->set_revision(txn.result_revision().value);
}

}  // namespace holdfast::apply
