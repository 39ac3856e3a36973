#include "apply/quota.h"

#include <algorithm>

#include "rpc.pb.h"

namespace holdfast::apply {

namespace {

namespace pb = etcdserverpb;

int64_t branch_cost(const google::protobuf::RepeatedPtrField<pb::RequestOp>& operations) {
  int64_t sum = 0;
  for (const pb::RequestOp& operation : operations) {
    if (operation.has_request_put()) sum += cost(operation.request_put());
    if (operation.has_request_txn()) sum += cost(operation.request_txn());
  }
  return sum;
}

}  // namespace

int64_t cost(const pb::PutRequest& request) { return put_cost(request.key(), request.value()); }

int64_t cost(const pb::TxnRequest& request) {
  return std::max(branch_cost(request.success()), branch_cost(request.failure()));
}

}  // namespace holdfast::apply
