#include "apply/request_text.h"

#include <vector>

#include "base/go_text.h"
#include "fmt/format.h"
#include "raft_internal.pb.h"

namespace holdfast::apply {

namespace {

namespace pb = etcdserverpb;

std::string text(const PutCommand& put) {
  std::string out = fmt::format("key:{} value_size:{}", go_quote(put.key), put.value.size());
  if (put.lease) out += fmt::format(" lease:{}", put.lease.value);
  if (put.prev_kv) out += " prev_kv:true";
  if (put.ignore_value) out += " ignore_value:true";
  if (put.ignore_lease) out += " ignore_lease:true";
  return out;
}

std::string text(const pb::TxnRequest& txn);

std::string text(const pb::Compare& compare) {
  if (compare.target_union_case() != pb::Compare::kValue) return compare.ShortDebugString();
  std::string out =
      fmt::format("result:{} target:{} key:{} value_size:{}",
                  pb::Compare_CompareResult_Name(compare.result()),
                  pb::Compare_CompareTarget_Name(compare.target()), go_quote(compare.key()),
                  compare.value().size());
  if (!compare.range_end().empty()) out += " range_end:" + go_quote(compare.range_end());
  return out;
}

std::string text(const pb::RequestOp& operation) {
  if (operation.has_request_put())
    return fmt::format("request_put:<{}>", text(view_of(operation.request_put())));
  if (operation.has_request_txn())
    return fmt::format("request_txn:<{}>", text(operation.request_txn()));
  return operation.ShortDebugString();
}

template <class Messages>
std::string list(const Messages& messages) {
  std::vector<std::string> texts;
  for (const auto& message : messages) texts.push_back(text(message));
  return fmt::format("{}", fmt::join(texts, " "));
}

std::string text(const pb::TxnRequest& txn) {
  return fmt::format("compare:<{}> success:<{}> failure:<{}>", list(txn.compare()),
                     list(txn.success()), list(txn.failure()));
}

std::string command_text(const ParsedRequest& request) {
  switch (request.kind()) {
    case CommandKind::put:
      return fmt::format("put:<{}>", text(request.put()));
    case CommandKind::range:
      return fmt::format("range:<{}>", request.message().range().ShortDebugString());
    case CommandKind::delete_range:
      return fmt::format("delete_range:<{}>", request.message().delete_range().ShortDebugString());
    case CommandKind::txn:
      return fmt::format("txn:<{}>", text(request.message().txn()));
    case CommandKind::compaction:
      return fmt::format("compaction:<{}>", request.message().compaction().ShortDebugString());
    case CommandKind::lease_grant:
      return fmt::format("lease_grant:<ttl:{}-second id:{:016x}>",
                         request.message().lease_grant().ttl(),
                         static_cast<uint64_t>(request.message().lease_grant().id()));
    case CommandKind::lease_revoke:
      return fmt::format("lease_revoke:<id:{:016x}>",
                         static_cast<uint64_t>(request.message().lease_revoke().id()));
    case CommandKind::alarm:
      return fmt::format("alarm:<{}>", request.message().alarm().ShortDebugString());
    default:
      return std::string(operation_name(request.kind()));
  }
}

}  // namespace

std::string loggable(const ParsedRequest& request) {
  std::string header = fmt::format("ID:{}", request.id());
  if (!request.caller().username.empty())
    header += fmt::format(" username:{} auth_revision:{}", go_quote(request.caller().username),
                          request.caller().auth_revision);
  return fmt::format("header:<{}> {}", header, command_text(request));
}

}  // namespace holdfast::apply
