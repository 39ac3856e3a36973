#include "apply/checks.h"

#include <algorithm>
#include <string_view>

#include "absl/container/btree_map.h"
#include "absl/container/flat_hash_set.h"
#include "base/errors.h"
#include "rpc.pb.h"

namespace holdfast::apply {

namespace {

namespace pb = etcdserverpb;
using Operations = google::protobuf::RepeatedPtrField<pb::RequestOp>;

// Keys that are deleted: single ones, and ranges, merged where they touch. A range whose end isn't behind its begin has
// no key; that makes an open-ended delete (end "\0") meet no put (TXN-04).
class DeletedKeys {
 public:
  void add(const pb::DeleteRangeRequest& request) {
    if (request.range_end().empty())
      keys_.insert(request.key());
    else
      add(request.key(), request.range_end());
  }
  void add(const DeletedKeys& other) {
    keys_.insert(other.keys_.begin(), other.keys_.end());
    for (const auto& [begin, end] : other.ranges_) add(begin, end);
  }
  bool contains(std::string_view key) const {
    if (keys_.contains(key)) return true;
    auto after = ranges_.upper_bound(key);
    return after != ranges_.begin() && key < std::prev(after)->second;
  }

 private:
  void add(std::string_view begin, std::string_view end) {
    if (end <= begin) return;
    auto it = ranges_.upper_bound(begin);
    if (it != ranges_.begin() && std::prev(it)->second >= begin) {
      --it;
      begin = it->first;
    }
    while (it != ranges_.end() && it->first <= end) {
      end = std::max(end, it->second);
      it = ranges_.erase(it);
    }
    ranges_[begin] = end;
  }

  absl::flat_hash_set<std::string_view> keys_;
  absl::btree_map<std::string_view, std::string_view> ranges_;  // begin to end, apart from each other
};

// What one branch and those within it change.
struct Writes {
  absl::flat_hash_set<std::string_view> puts;
  DeletedKeys deletes;
};

// False if two writes meet that must not. In etcd's order, which doesn't compare everything with everything: the puts
// of a nested txn meet the deletes of the txns before it and of the branch around it, not those of txns after it.
bool collect(const Operations& operations, Writes& writes) {
  for (const pb::RequestOp& operation : operations)
    if (operation.has_request_delete_range()) writes.deletes.add(operation.request_delete_range());

  for (const pb::RequestOp& operation : operations) {
    if (!operation.has_request_txn()) continue;
    Writes then_writes;
    Writes else_writes;
    if (!collect(operation.request_txn().success(), then_writes) ||
        !collect(operation.request_txn().failure(), else_writes))
      return false;
    for (std::string_view key : then_writes.puts)
      if (!writes.puts.insert(key).second || writes.deletes.contains(key)) return false;
    for (std::string_view key : else_writes.puts) {
      // Only one of the two branches is taken.
      if (!writes.puts.insert(key).second && !then_writes.puts.contains(key)) return false;
      if (writes.deletes.contains(key)) return false;
    }
    writes.deletes.add(then_writes.deletes);
    writes.deletes.add(else_writes.deletes);
  }

  for (const pb::RequestOp& operation : operations) {
    if (!operation.has_request_put()) continue;
    const std::string& key = operation.request_put().key();
    if (!writes.puts.insert(key).second || writes.deletes.contains(key)) return false;
  }
  return true;
}

absl::Status check_txn_fields(const pb::TxnRequest& request, int max_ops);

absl::Status check_operation(const pb::RequestOp& operation, int max_ops) {
  switch (operation.request_case()) {
    case pb::RequestOp::kRequestRange:
      return check_range_request(operation.request_range());
    case pb::RequestOp::kRequestPut:
      return check_put_request(operation.request_put());
    case pb::RequestOp::kRequestDeleteRange:
      return check_delete_request(operation.request_delete_range());
    case pb::RequestOp::kRequestTxn:
      return check_txn_fields(operation.request_txn(), max_ops);
    case pb::RequestOp::REQUEST_NOT_SET:
      break;
  }
  return error(EtcdError::key_not_found);
}

absl::Status check_txn_fields(const pb::TxnRequest& request, int max_ops) {
  const int ops =
      std::max({request.compare_size(), request.success_size(), request.failure_size()});
  if (ops > max_ops) return error(EtcdError::too_many_ops);
  for (const pb::Compare& compare : request.compare())
    if (compare.key().empty()) return error(EtcdError::empty_key);
  for (const Operations* branch : {&request.success(), &request.failure()})
    for (const pb::RequestOp& operation : *branch)
      if (absl::Status status = check_operation(operation, max_ops - ops); !status.ok())
        return status;
  return absl::OkStatus();
}

}  // namespace

absl::Status check_range_request(const pb::RangeRequest& request) {
  if (request.key().empty()) return error(EtcdError::empty_key);
  if (!pb::RangeRequest::SortOrder_IsValid(request.sort_order()) ||
      !pb::RangeRequest::SortTarget_IsValid(request.sort_target()))
    return error(EtcdError::invalid_sort_option);
  return absl::OkStatus();
}

absl::Status check_range_stream_request(const pb::RangeRequest& request) {
  if (absl::Status status = check_range_request(request); !status.ok()) return status;
  if (!has_default_order(request)) return error(EtcdError::range_stream_custom_sort);
  if (has_revision_filters(request)) return error(EtcdError::range_stream_revision_filters);
  return absl::OkStatus();
}

absl::Status check_put_request(const pb::PutRequest& request) {
  if (request.key().empty()) return error(EtcdError::empty_key);
  if (request.ignore_value() && !request.value().empty()) return error(EtcdError::value_provided);
  if (request.ignore_lease() && request.lease() != 0) return error(EtcdError::lease_provided);
  return absl::OkStatus();
}

absl::Status check_delete_request(const pb::DeleteRangeRequest& request) {
  return request.key().empty() ? error(EtcdError::empty_key) : absl::OkStatus();
}

absl::Status check_txn_request(const pb::TxnRequest& request, int max_ops) {
  if (absl::Status status = check_txn_fields(request, max_ops); !status.ok()) return status;
  for (const Operations* branch : {&request.success(), &request.failure()}) {
    Writes writes;
    if (!collect(*branch, writes)) return error(EtcdError::duplicate_key);
  }
  return absl::OkStatus();
}

bool has_default_order(const pb::RangeRequest& request) {
  return request.sort_order() == pb::RangeRequest::NONE ||
         (request.sort_target() == pb::RangeRequest::KEY &&
          request.sort_order() == pb::RangeRequest::ASCEND);
}

bool has_revision_filters(const pb::RangeRequest& request) {
  return request.min_mod_revision() != 0 || request.max_mod_revision() != 0 ||
         request.min_create_revision() != 0 || request.max_create_revision() != 0;
}

}  // namespace holdfast::apply
