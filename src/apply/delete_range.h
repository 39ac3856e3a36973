// One deletion (etcd txn/delete.go; parity KV-26).
#pragma once

#include "mvcc/store.h"

namespace etcdserverpb {
class DeleteRangeRequest;
class DeleteRangeResponse;
}  // namespace etcdserverpb

namespace holdfast::apply {

// `response` may be null.
void execute_delete_range(mvcc::WriteTxn& txn, const etcdserverpb::DeleteRangeRequest& request,
                          etcdserverpb::DeleteRangeResponse* response);

}  // namespace holdfast::apply
