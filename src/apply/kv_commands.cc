// Range, put, delete and txn as commands of the log: permission, then quota, then the store (PUT-13).
#include "apply/apply_metrics.h"
#include "apply/delete_range.h"
#include "apply/range.h"
#include "apply/state_machine.h"
#include "apply/txn.h"
#include "base/errors.h"
#include "raft_internal.pb.h"

namespace holdfast::apply {

namespace pb = etcdserverpb;

void StateMachine::apply_range(const ParsedRequest& request, Result& result) {
  const pb::RangeRequest& range = request.message().range();
  result.status =
      environment_.authorizer.may_range(request.caller(), range.key(), range.range_end());
  if (!result.status.ok()) return;
  const env::Instant began = environment_.owner.now();
  auto response = std::make_unique<pb::RangeResponse>();
  mvcc::ReadTxn txn = store_->read();
  result.status = execute_range(txn, range, {}, *response);
  metrics_->observe_range(result.status.ok(), environment_.owner.now() - began);
  if (result.status.ok()) result.response = std::move(response);
}

void StateMachine::apply_put(const ParsedRequest& request, bool has_waiter, Result& result) {
  const PutCommand& put = request.put();
  result.status = check_put(environment_.authorizer, leases_, request.caller(), put);
  if (!result.status.ok()) return;
  const bool has_room = quota_.has_room(backend_->size(), put_cost(put.key, put.value));
  mvcc::WriteTxn txn = store_->write();
  const auto lease_exists = [this](LeaseId id) { return leases_.contains(id); };
  result.status = check_put_target(txn, lease_exists, put);
  if (!result.status.ok()) return;
  std::unique_ptr<pb::PutResponse> response;
  if (has_waiter && put.prev_kv) response = std::make_unique<pb::PutResponse>();
  result.revision = execute_put(txn, put, response.get());
  end(txn);
  if (!has_room) result.status = error(EtcdError::no_space);  // PUT-14
  result.response = std::move(response);
}

void StateMachine::apply_delete_range(const ParsedRequest& request, bool has_waiter,
                                      Result& result) {
  const pb::DeleteRangeRequest& range = request.message().delete_range();
  result.status = check_delete(environment_.authorizer, request.caller(), range);
  if (!result.status.ok()) return;
  std::unique_ptr<pb::DeleteRangeResponse> response;
  if (has_waiter) response = std::make_unique<pb::DeleteRangeResponse>();
  mvcc::WriteTxn txn = store_->write();
  execute_delete_range(txn, range, response.get());
  end(txn);
  result.response = std::move(response);
}

void StateMachine::apply_txn(const ParsedRequest& request, bool has_waiter, Result& result) {
  const pb::TxnRequest& txn = request.message().txn();
  result.status = check_txn(environment_.authorizer, leases_, request.caller(), txn);
  if (!result.status.ok()) return;
  const bool has_room = quota_.has_room(backend_->size(), cost(txn));
  if (is_txn_read_only(txn)) {
    mvcc::ReadTxn read = store_->read();
    auto response = read_txn(read, txn);
    result.status = response.status();
    if (response.ok()) result.response = *std::move(response);
    return;
  }
  TxnPath path;
  {
    mvcc::ReadTxn before = store_->read();
    path = compare_to_path(before, txn);
    const auto lease_exists = [this](LeaseId id) { return leases_.contains(id); };
    result.status = check_txn_path(before, lease_exists, txn, path);
    if (!result.status.ok()) return;
  }
  std::unique_ptr<pb::TxnResponse> response;
  if (has_waiter) response = std::make_unique<pb::TxnResponse>();
  mvcc::WriteTxn write = store_->write();
  execute_txn(write, txn, path, response.get());
  end(write);
  if (!has_room) result.status = error(EtcdError::no_space);
  result.response = std::move(response);
}

}  // namespace holdfast::apply
