// Lease commands (parity LEA-01, 02, 04, 15).
#include "apply/state_machine.h"
#include "base/errors.h"
#include "raft_internal.pb.h"

namespace holdfast::apply {

namespace pb = etcdserverpb;
using backend::Bucket;

namespace {

template <class Response>
std::unique_ptr<Response> answer(bool has_waiter, const mvcc::Store& store) {
  if (!has_waiter) return nullptr;
  auto response = std::make_unique<Response>();
  response->mutable_header()->set_revision(store.current_revision().value);
  return response;
}

}  // namespace

void StateMachine::apply_lease_grant(const ParsedRequest& request, bool has_waiter,
                                     Result& result) {
  const pb::LeaseGrantRequest& grant = request.message().lease_grant();
  const bool has_room = quota_.has_room(backend_->size(), kLeaseCostBytes);
  auto record = leases_.grant(LeaseId(grant.id()), grant.ttl(), environment_.owner.now());
  result.status = record.status();
  if (!record.ok()) return;
  backend_->put(Bucket::lease, lease::record_key(record->id), lease::record_value(*record));
  if (!has_room) result.status = error(EtcdError::no_space);
  auto response = answer<pb::LeaseGrantResponse>(has_waiter, *store_);
  if (response) {
    response->set_id(record->id.value);
    response->set_ttl(record->ttl);
  }
  result.response = std::move(response);
}

void StateMachine::apply_lease_revoke(const ParsedRequest& request, bool has_waiter,
                                      Result& result) {
  const LeaseId id(request.message().lease_revoke().id());
  result.status = check_lease_keys(environment_.authorizer, leases_, request.caller(), id);
  if (!result.status.ok()) return;
  if (!leases_.contains(id)) {
    result.status = error(EtcdError::lease_not_found);
    return;
  }
  // In order, so that all members give the deletions the same sub revisions (TRP-28).
  const std::vector<std::string> keys =
      leases_.with([&](const lease::Lessor& lessor) { return lessor.keys_of(id); });
  mvcc::WriteTxn txn = store_->write();
  for (const std::string& key : keys) txn.delete_range(key, {});
  leases_.revoke(id);
  backend_->erase(Bucket::lease, lease::record_key(id));
  end(txn);
  if (observer_ != nullptr) observer_->on_lease_revoked(id);
  result.response = answer<pb::LeaseRevokeResponse>(has_waiter, *store_);
}

void StateMachine::apply_lease_checkpoint(const ParsedRequest& request, bool has_waiter,
                                          Result& result) {
  const bool persist = options_.lease_checkpoint_persist ||
                       (cluster_.version() && *cluster_.version() >= membership::Version{3, 6, 0, {}});
  for (const pb::LeaseCheckpoint& checkpoint :
       request.message().lease_checkpoint().checkpoints()) {
    const auto record = leases_.with([&](lease::Lessor& lessor) {
      return lessor.checkpoint(LeaseId(checkpoint.id()), checkpoint.remaining_ttl(),
                               environment_.owner.now());
    });
    if (record && persist)
      backend_->put(Bucket::lease, lease::record_key(record->id), lease::record_value(*record));
  }
  result.response = answer<pb::LeaseCheckpointResponse>(has_waiter, *store_);
}

}  // namespace holdfast::apply
