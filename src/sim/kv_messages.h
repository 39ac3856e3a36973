// The model's operations and results from etcd's messages. What the model doesn't know (leases, sort orders, bounds on
// revisions) is passed over.
#pragma once

#include "rpc.pb.h"
#include "sim/kv_model.h"

namespace holdfast::sim {

KvPair pair_of(const mvccpb::KeyValue& kv);

KvResult result_of(const etcdserverpb::RangeResponse& response);
KvResult result_of(const etcdserverpb::PutResponse& response);
KvResult result_of(const etcdserverpb::DeleteRangeResponse& response);
KvResult result_of(const etcdserverpb::TxnResponse& response);

KvOp op_of(const etcdserverpb::RangeRequest& request);
KvOp op_of(const etcdserverpb::PutRequest& request);
KvOp op_of(const etcdserverpb::DeleteRangeRequest& request);
KvOp op_of(const etcdserverpb::TxnRequest& request);

}  // namespace holdfast::sim
