#include "apply/range.h"

#include <algorithm>
#include <limits>

#include "apply/checks.h"
#include "rpc.pb.h"

namespace holdfast::apply {

namespace {

namespace pb = etcdserverpb;

// KV-04, KV-11. One more than asked for tells whether there are more. Not for what is sorted or filtered afterwards.
int64_t fetch_limit(const pb::RangeRequest& request) {
  if (!has_default_order(request) || has_revision_filters(request)) return 0;
  const int64_t limit = request.limit();
  return limit > 0 && limit < std::numeric_limits<int64_t>::max() ? limit + 1 : limit;
}

mvcc::RangeKind fetch_kind(const pb::RangeRequest& request) {
  if (request.count_only()) return mvcc::RangeKind::count_only;
  if (request.keys_only() && request.sort_target() != pb::RangeRequest::VALUE)
    return mvcc::RangeKind::keys_only;  // KV-07
  return mvcc::RangeKind::pairs;
}

// KV-12.
bool passes(const pb::RangeRequest& request, const mvcc::KeyValueView& pair) {
  const auto within = [](int64_t revision, int64_t min, int64_t max) {
    return (max == 0 || revision <= max) && (min == 0 || revision >= min);
  };
  return within(pair.mod_revision.value, request.min_mod_revision(), request.max_mod_revision()) &&
         within(pair.create_revision.value, request.min_create_revision(),
                request.max_create_revision());
}

bool is_sorted_afterwards(const pb::RangeRequest& request) {
  return request.sort_target() != pb::RangeRequest::KEY ||
         request.sort_order() == pb::RangeRequest::DESCEND;
}

using Pairs = google::protobuf::RepeatedPtrField<mvccpb::KeyValue>;

template <class Field>
void sort_by(Pairs& pairs, pb::RangeRequest::SortOrder order, Field field) {
  const auto less = [&](const mvccpb::KeyValue* a, const mvccpb::KeyValue* b) {
    return order == pb::RangeRequest::DESCEND ? field(*b) < field(*a) : field(*a) < field(*b);
  };
  // Stable, so that all members give the same answer; etcd's order of equals is arbitrary (KV-10).
  std::stable_sort(pairs.pointer_begin(), pairs.pointer_end(), less);
}

void sort(Pairs& pairs, const pb::RangeRequest& request) {
  using Pair = mvccpb::KeyValue;
  const auto order = request.sort_order();
  switch (request.sort_target()) {
    case pb::RangeRequest::KEY:  // descending: they came in ascending order
      std::reverse(pairs.pointer_begin(), pairs.pointer_end());
      return;
    case pb::RangeRequest::VERSION:
      return sort_by(pairs, order, [](const Pair& p) { return p.version(); });
    case pb::RangeRequest::CREATE:
      return sort_by(pairs, order, [](const Pair& p) { return p.create_revision(); });
    case pb::RangeRequest::MOD:
      return sort_by(pairs, order, [](const Pair& p) { return p.mod_revision(); });
    case pb::RangeRequest::VALUE:
      return sort_by(pairs, order, [](const Pair& p) { return std::string_view(p.value()); });
    default:
      return;  // check_range_request() lets none through
  }
}

}  // namespace

void copy_pair(const mvcc::KeyValueView& from, mvccpb::KeyValue& to) {
  to.set_key(from.key.data(), from.key.size());
  if (!from.value.empty()) to.set_value(from.value.data(), from.value.size());
  to.set_create_revision(from.create_revision.value);
  to.set_mod_revision(from.mod_revision.value);
  to.set_version(from.version);
  to.set_lease(from.lease.value);
}

void move_pair(mvcc::KeyValue&& from, mvccpb::KeyValue& to) {
  to.set_key(std::move(from.key));
  to.set_value(std::move(from.value));
  to.set_create_revision(from.create_revision.value);
  to.set_mod_revision(from.mod_revision.value);
  to.set_version(from.version);
  to.set_lease(from.lease.value);
}

absl::Status execute_range(mvcc::TxnRead& txn, const pb::RangeRequest& request,
                           const RangeExecution& execution, pb::RangeResponse& response) {
  const mvcc::RangeOptions options{.revision = Revision(request.revision()),
                                   .limit = fetch_limit(request),
                                   .kind = fetch_kind(request),
                                   .count = execution.count,
                                   .cancelled = execution.cancelled};
  const bool sorted = is_sorted_afterwards(request);
  const bool filtered = has_revision_filters(request);
  const int64_t limit = request.limit();
  Pairs& pairs = *response.mutable_kvs();

  auto summary = txn.visit(request.key(), request.range_end(), options,
                           [&](const mvcc::KeyValueView& pair) {
                             if (filtered && !passes(request, pair)) return;
                             if (!sorted && limit > 0 && pairs.size() == limit) {
                               response.set_more(true);
                               return;
                             }
                             copy_pair(pair, *pairs.Add());
                           });
  if (!summary.ok()) return summary.status();

  if (sorted) {
    sort(pairs, request);
    if (limit > 0 && pairs.size() > limit) {
      pairs.DeleteSubrange(static_cast<int>(limit), pairs.size() - static_cast<int>(limit));
      response.set_more(true);
    }
    if (request.keys_only())
      for (mvccpb::KeyValue& pair : pairs) pair.clear_value();
  }
  response.mutable_header()->set_revision(summary->revision.value);
  response.set_count(summary->count);
  return absl::OkStatus();
}

}  // namespace holdfast::apply
