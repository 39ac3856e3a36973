// What the oracle answers to any request, as text, to be compared with a member's.
#pragma once

#include <string>

#include "base/errors.h"
#include "raft_internal.pb.h"
#include "test/apply/kv_oracle.h"

namespace holdfast::apply {

template <class T>
std::string text_of(const absl::StatusOr<T>& answer) {
  return answer.ok() ? answer->ShortDebugString() : std::string(message(answer.status()));
}

inline std::string ask(KvOracle& oracle, const etcdserverpb::InternalRaftRequest& request) {
  if (request.has_put()) return text_of(oracle.put(request.put()));
  if (request.has_range()) return text_of(oracle.range(request.range()));
  if (request.has_delete_range()) return text_of(oracle.erase(request.delete_range()));
  if (request.has_txn()) return text_of(oracle.txn(request.txn()));
  if (request.has_compaction()) return text_of(oracle.compact(request.compaction()));
  if (request.has_lease_grant()) return text_of(oracle.grant(request.lease_grant()));
  return text_of(oracle.revoke(request.lease_revoke().id()));
}

}  // namespace holdfast::apply
