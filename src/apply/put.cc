#include "apply/put.h"

#include <optional>

#include "apply/range.h"
#include "base/errors.h"
#include "rpc.pb.h"

namespace holdfast::apply {

PutCommand view_of(const etcdserverpb::PutRequest& request) {
  return {.key = request.key(),
          .value = request.value(),
          .lease = LeaseId(request.lease()),
          .prev_kv = request.prev_kv(),
          .ignore_value = request.ignore_value(),
          .ignore_lease = request.ignore_lease()};
}

absl::Status check_put_target(mvcc::TxnRead& txn, const LeaseLookup& leases,
                              const PutCommand& put) {
  if (put.lease && !leases(put.lease)) return error(EtcdError::lease_not_found);
  if (!put.ignore_value && !put.ignore_lease) return absl::OkStatus();
  bool found = false;
  auto summary = txn.visit(put.key, {}, {.kind = mvcc::RangeKind::keys_only},
                           [&](const mvcc::KeyValueView&) { found = true; });
  if (!summary.ok()) return summary.status();
  return found ? absl::OkStatus() : error(EtcdError::key_not_found);
}

Revision execute_put(mvcc::WriteTxn& txn, const PutCommand& put,
                     etcdserverpb::PutResponse* response) {
  std::optional<mvcc::KeyValue> previous;
  if (put.ignore_value || put.ignore_lease || (put.prev_kv && response != nullptr))
    previous = txn.get(put.key);
  std::string_view value = put.value;
  LeaseId lease = put.lease;
  if (put.ignore_value) value = previous ? std::string_view(previous->value) : std::string_view();
  if (put.ignore_lease) lease = previous ? previous->lease : LeaseId(0);

  const Revision revision = txn.put(put.key, value, lease);
  if (response == nullptr) return revision;
  response->mutable_header()->set_revision(revision.value);
  if (put.prev_kv && previous) move_pair(std::move(*previous), *response->mutable_prev_kv());
  return revision;
}

}  // namespace holdfast::apply
