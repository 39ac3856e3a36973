#include "sim/kv_messages.h"

#include <utility>

namespace holdfast::sim {

namespace pb = etcdserverpb;

KvPair pair_of(const mvccpb::KeyValue& kv) {
  return {kv.key(), kv.value(), kv.create_revision(), kv.mod_revision(), kv.version()};
}

KvResult result_of(const pb::RangeResponse& response) {
  KvResult result;
  result.revision = response.header().revision();
  result.count = response.count();
  result.more = response.more();
  for (const mvccpb::KeyValue& kv : response.kvs()) result.pairs.push_back(pair_of(kv));
  return result;
}

KvResult result_of(const pb::PutResponse& response) {
  KvResult result;
  result.revision = response.header().revision();
  if (response.has_prev_kv()) result.pairs.push_back(pair_of(response.prev_kv()));
  return result;
}

KvResult result_of(const pb::DeleteRangeResponse& response) {
  KvResult result;
  result.revision = response.header().revision();
  result.count = response.deleted();
  for (const mvccpb::KeyValue& kv : response.prev_kvs()) result.pairs.push_back(pair_of(kv));
  return result;
}

KvResult result_of(const pb::TxnResponse& response) {
  KvResult result;
  result.revision = response.header().revision();
  result.succeeded = response.succeeded();
  for (const pb::ResponseOp& op : response.responses()) {
    KvResult child;
    if (op.has_response_put()) child = result_of(op.response_put());
    if (op.has_response_range()) child = result_of(op.response_range());
    if (op.has_response_delete_range()) child = result_of(op.response_delete_range());
    if (op.has_response_txn()) child = result_of(op.response_txn());
    child.revision = 0;
    result.children.push_back(std::move(child));
  }
  return result;
}


namespace {

KvCompare compare_of(const pb::Compare& compare) {
  KvCompare out;
  out.key = compare.key();
  switch (compare.result()) {
    case pb::Compare::GREATER: out.result = KvCompare::Result::greater; break;
    case pb::Compare::LESS: out.result = KvCompare::Result::less; break;
    case pb::Compare::NOT_EQUAL: out.result = KvCompare::Result::not_equal; break;
    default: out.result = KvCompare::Result::equal; break;
  }
  switch (compare.target()) {
    case pb::Compare::VERSION:
      out.target = KvCompare::Target::version;
      out.number = compare.version();
      break;
    case pb::Compare::CREATE:
      out.target = KvCompare::Target::create;
      out.number = compare.create_revision();
      break;
    case pb::Compare::VALUE:
      out.target = KvCompare::Target::value;
      out.value = compare.value();
      break;
    default:
      out.target = KvCompare::Target::mod;
      out.number = compare.mod_revision();
      break;
  }
  return out;
}

KvOp child_of(const pb::RequestOp& request) {
  if (request.has_request_put()) return op_of(request.request_put());
  if (request.has_request_delete_range()) return op_of(request.request_delete_range());
  if (request.has_request_txn()) return op_of(request.request_txn());
  return op_of(request.request_range());
}

}  // namespace

KvOp op_of(const pb::PutRequest& request) {
  KvOp op;
  op.kind = KvKind::put;
  op.key = request.key();
  op.value = request.value();
  op.prev_kv = request.prev_kv();
  return op;
}

KvOp op_of(const pb::RangeRequest& request) {
  KvOp op;
  op.kind = KvKind::range;
  op.key = request.key();
  op.end = request.range_end();
  op.limit = request.limit();
  op.revision = request.revision();
  op.serializable = request.serializable();
  return op;
}

KvOp op_of(const pb::DeleteRangeRequest& request) {
  KvOp op;
  op.kind = KvKind::delete_range;
  op.key = request.key();
  op.end = request.range_end();
  op.prev_kv = request.prev_kv();
  return op;
}

KvOp op_of(const pb::TxnRequest& request) {
  KvOp op;
  op.kind = KvKind::txn;
  for (const pb::Compare& compare : request.compare()) op.compares.push_back(compare_of(compare));
  for (const pb::RequestOp& child : request.success()) op.then_ops.push_back(child_of(child));
  for (const pb::RequestOp& child : request.failure()) op.else_ops.push_back(child_of(child));
  return op;
}

}  // namespace holdfast::sim
