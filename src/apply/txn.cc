#include "apply/txn.h"

#include "apply/delete_range.h"
#include "apply/range.h"
#include "base/check.h"
#include "base/errors.h"
#include "rpc.pb.h"

namespace holdfast::apply {

namespace {

namespace pb = etcdserverpb;
using Operations = google::protobuf::RepeatedPtrField<pb::RequestOp>;

template <class Accept>
bool all_operations(const pb::TxnRequest& txn, Accept accept) {
  for (const Operations* branch : {&txn.success(), &txn.failure()})
    for (const pb::RequestOp& operation : *branch)
      if (!accept(operation)) return false;
  return true;
}

// Walks the path in the order in which it was made: a txn, then those nested in the branch it takes.
class PathWalk {
 public:
  explicit PathWalk(const TxnPath& path) : path_(path) {}
  const Operations& take_branch(const pb::TxnRequest& txn) {
    succeeded_ = path_.at(next_++);
    return succeeded_ ? txn.success() : txn.failure();
  }
  bool succeeded() const { return succeeded_; }  // of the branch just taken

 private:
  const TxnPath& path_;
  size_t next_ = 0;
  bool succeeded_ = false;
};

// --- compares ---

int64_t compared_number(const pb::Compare& compare) {
  switch (compare.target_union_case()) {
    case pb::Compare::kVersion:
      return compare.target() == pb::Compare::VERSION ? compare.version() : 0;
    case pb::Compare::kCreateRevision:
      return compare.target() == pb::Compare::CREATE ? compare.create_revision() : 0;
    case pb::Compare::kModRevision:
      return compare.target() == pb::Compare::MOD ? compare.mod_revision() : 0;
    case pb::Compare::kLease:
      return compare.target() == pb::Compare::LEASE ? compare.lease() : 0;
    default:
      return 0;
  }
}

int order_of(const pb::Compare& compare, const mvcc::KeyValueView& pair) {
  int64_t found = 0;
  switch (compare.target()) {
    case pb::Compare::VALUE: {
      const std::string_view value =
          compare.target_union_case() == pb::Compare::kValue ? compare.value() : std::string_view();
      return pair.value.compare(value);
    }
    case pb::Compare::CREATE:
      found = pair.create_revision.value;
      break;
    case pb::Compare::MOD:
      found = pair.mod_revision.value;
      break;
    case pb::Compare::VERSION:
      found = pair.version;
      break;
    case pb::Compare::LEASE:
      found = pair.lease.value;
      break;
    default:
      return 0;
  }
  const int64_t wanted = compared_number(compare);
  return found < wanted ? -1 : found > wanted ? 1 : 0;
}

bool holds(const pb::Compare& compare, const mvcc::KeyValueView& pair) {
  const int order = order_of(compare, pair);
  switch (compare.result()) {
    case pb::Compare::EQUAL:
      return order == 0;
    case pb::Compare::NOT_EQUAL:
      return order != 0;
    case pb::Compare::GREATER:
      return order > 0;
    case pb::Compare::LESS:
      return order < 0;
    default:
      return true;
  }
}

bool holds(mvcc::TxnRead& txn, const pb::Compare& compare) {
  const bool needs_record =
      compare.target() == pb::Compare::VALUE || compare.target() == pb::Compare::LEASE;
  const mvcc::RangeOptions options{
      .kind = needs_record ? mvcc::RangeKind::pairs : mvcc::RangeKind::keys_only};
  bool found = false;
  bool all_hold = true;
  auto summary = txn.visit(compare.key(), compare.range_end(), options,
                           [&](const mvcc::KeyValueView& pair) {
                             found = true;
                             if (all_hold) all_hold = holds(compare, pair);
                           });
  if (!summary.ok()) return false;
  // TXN-07: a key that isn't there has no value to compare with, but versions and revisions of 0.
  if (!found) return compare.target() != pb::Compare::VALUE && holds(compare, mvcc::KeyValueView{});
  return all_hold;
}

void append_path(mvcc::TxnRead& txn, const pb::TxnRequest& request, TxnPath& path) {
  bool succeeded = true;
  for (const pb::Compare& compare : request.compare()) {
    succeeded = holds(txn, compare);
    if (!succeeded) break;
  }
  path.push_back(succeeded);
  for (const pb::RequestOp& operation : succeeded ? request.success() : request.failure())
    if (operation.has_request_txn()) append_path(txn, operation.request_txn(), path);
}

// --- checks ---

absl::Status check_range_revision(const mvcc::TxnRead& txn, int64_t revision) {
  if (revision == 0) return absl::OkStatus();
  if (revision > txn.revision().value) return error(EtcdError::future_rev);
  if (revision < txn.compacted_revision().value) return error(EtcdError::compacted);
  return absl::OkStatus();
}

absl::Status check_branch(mvcc::TxnRead& txn, const LeaseLookup& leases,
                          const pb::TxnRequest& request, PathWalk& walk) {
  for (const pb::RequestOp& operation : walk.take_branch(request)) {
    absl::Status status;
    if (operation.has_request_range())
      status = check_range_revision(txn, operation.request_range().revision());
    else if (operation.has_request_put())
      status = check_put_target(txn, leases, view_of(operation.request_put()));
    else if (operation.has_request_txn())
      status = check_branch(txn, leases, operation.request_txn(), walk);
    if (!status.ok()) return status;
  }
  return absl::OkStatus();
}

// --- execution ---

absl::Status read_branch(mvcc::TxnRead& txn, const pb::TxnRequest& request, PathWalk& walk,
                         const RangeExecution& execution, pb::TxnResponse& response) {
  const Operations& operations = walk.take_branch(request);
  response.set_succeeded(walk.succeeded());
  for (const pb::RequestOp& operation : operations) {
    auto& answer = *response.add_responses()->mutable_response_range();
    if (absl::Status status = execute_range(txn, operation.request_range(), execution, answer);
        !status.ok())
      return status;
  }
  return absl::OkStatus();
}

void write_branch(mvcc::WriteTxn& txn, const pb::TxnRequest& request, PathWalk& walk,
                  pb::TxnResponse* response) {
  const Operations& operations = walk.take_branch(request);
  if (response != nullptr) {
    response->set_succeeded(walk.succeeded());
    response->mutable_header();
  }
  for (const pb::RequestOp& operation : operations) {
    pb::ResponseOp* answer = response != nullptr ? response->add_responses() : nullptr;
    switch (operation.request_case()) {
      case pb::RequestOp::kRequestRange: {
        if (answer == nullptr) break;  // TXN-17
        const absl::Status status = execute_range(txn, operation.request_range(), {},
                                                  *answer->mutable_response_range());
        CHECK(status.ok(), "a checked range in a txn failed: {}", message(status));  // TXN-15
        break;
      }
      case pb::RequestOp::kRequestPut:
        execute_put(txn, view_of(operation.request_put()),
                    answer != nullptr ? answer->mutable_response_put() : nullptr);
        break;
      case pb::RequestOp::kRequestDeleteRange:
        execute_delete_range(txn, operation.request_delete_range(),
                             answer != nullptr ? answer->mutable_response_delete_range() : nullptr);
        break;
      case pb::RequestOp::kRequestTxn:
        write_branch(txn, operation.request_txn(), walk,
                     answer != nullptr ? answer->mutable_response_txn() : nullptr);
        break;
      case pb::RequestOp::REQUEST_NOT_SET:
        break;
    }
  }
}

}  // namespace

bool is_txn_read_only(const pb::TxnRequest& txn) {
  return all_operations(
      txn, [](const pb::RequestOp& operation) { return operation.has_request_range(); });
}

bool is_txn_serializable(const pb::TxnRequest& txn) {
  return all_operations(txn, [](const pb::RequestOp& operation) {
    return operation.has_request_range() && operation.request_range().serializable();
  });
}

TxnPath compare_to_path(mvcc::TxnRead& txn, const pb::TxnRequest& request) {
  TxnPath path;
  append_path(txn, request, path);
  return path;
}

absl::Status check_txn_path(mvcc::TxnRead& txn, const LeaseLookup& leases,
                            const pb::TxnRequest& request, const TxnPath& path) {
  PathWalk walk(path);
  return check_branch(txn, leases, request, walk);
}

absl::StatusOr<std::unique_ptr<pb::TxnResponse>> read_txn(mvcc::TxnRead& txn,
                                                          const pb::TxnRequest& request,
                                                          const std::function<bool()>* cancelled) {
  const TxnPath path = compare_to_path(txn, request);
  const auto no_lease = [](LeaseId) { return false; };
  if (absl::Status status = check_txn_path(txn, no_lease, request, path); !status.ok())
    return status;
  auto response = std::make_unique<pb::TxnResponse>();
  PathWalk walk(path);
  if (absl::Status status =
          read_branch(txn, request, walk, {.cancelled = cancelled}, *response);
      !status.ok())
    return status;
  response->mutable_header()->set_revision(txn.revision().value);
  return response;
}

void execute_txn(mvcc::WriteTxn& txn, const pb::TxnRequest& request, const TxnPath& path,
                 pb::TxnResponse* response) {
  PathWalk walk(path);
  write_branch(txn, request, walk, response);
  if (response != nullptr)
    response->mutable_header()->set_revision(txn.result_revision().value);
}

}  // namespace holdfast::apply
