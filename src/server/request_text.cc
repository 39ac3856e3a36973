#include "server/request_text.h"

#include "base/go_text.h"
#include "fmt/format.h"
#include "rpc.pb.h"

namespace holdfast::server {

namespace {

namespace pb = etcdserverpb;

class Fields {
 public:
  Fields& bytes(std::string_view name, std::string_view value) {
    if (value.empty()) return *this;
    begin(name);
    append_go_quoted(out_, value);
    return *this;
  }
  Fields& number(std::string_view name, int64_t value) {
    if (value == 0) return *this;
    begin(name);
    out_ += std::to_string(value);
    return *this;
  }
  Fields& flag(std::string_view name, bool value) {
    if (!value) return *this;
    begin(name);
    out_ += "true";
    return *this;
  }
  Fields& word(std::string_view name, std::string_view value) {
    begin(name);
    out_ += value;
    return *this;
  }
  std::string text() { return std::move(out_); }

 private:
  void begin(std::string_view name) {
    if (!out_.empty()) out_ += ' ';
    out_ += name;
    out_ += ':';
  }
  std::string out_;
};

std::string loggable_compare(const pb::Compare& compare) {
  Fields fields;
  if (compare.result() != 0)
    fields.word("result", pb::Compare::CompareResult_Name(compare.result()));
  if (compare.target() != 0)
    fields.word("target", pb::Compare::CompareTarget_Name(compare.target()));
  fields.bytes("key", compare.key());
  switch (compare.target_union_case()) {
    case pb::Compare::kVersion:
      fields.number("version", compare.version());
      break;
    case pb::Compare::kCreateRevision:
      fields.number("create_revision", compare.create_revision());
      break;
    case pb::Compare::kModRevision:
      fields.number("mod_revision", compare.mod_revision());
      break;
    case pb::Compare::kValue:
      fields.number("value_size", static_cast<int64_t>(compare.value().size()));
      break;
    case pb::Compare::kLease:
      fields.number("lease", compare.lease());
      break;
    default:
      break;
  }
  return fields.bytes("range_end", compare.range_end()).text();
}

std::string loggable_op(const pb::RequestOp& op) {
  switch (op.request_case()) {
    case pb::RequestOp::kRequestRange:
      return "request_range:{" + loggable(view_of(op.request_range())) + "}";
    case pb::RequestOp::kRequestPut: {
      const pb::PutRequest& put = op.request_put();
      PutView view;
      view.key = put.key();
      view.value = put.value();
      view.lease = put.lease();
      view.prev_kv = put.prev_kv();
      view.ignore_value = put.ignore_value();
      view.ignore_lease = put.ignore_lease();
      return "request_put:<" + loggable(view) + ">";
    }
    case pb::RequestOp::kRequestDeleteRange:
      return "request_delete_range:{" + loggable(op.request_delete_range()) + "}";
    case pb::RequestOp::kRequestTxn:
      return "request_txn:<" + loggable(op.request_txn()) + ">";
    default:
      return "";
  }
}

template <class List, class Text>
std::string joined(const List& list, Text text) {
  std::string out;
  for (const auto& item : list) {
    if (!out.empty()) out += ' ';
    out += text(item);
  }
  return out;
}

}  // namespace

std::string loggable(const RangeView& request) {
  Fields fields;
  fields.bytes("key", request.key)
      .bytes("range_end", request.range_end)
      .number("limit", request.limit)
      .number("revision", request.revision);
  if (request.sort_order != 0)
    fields.word("sort_order", pb::RangeRequest::SortOrder_Name(
                                  static_cast<pb::RangeRequest::SortOrder>(request.sort_order)));
  if (request.sort_target != 0)
    fields.word("sort_target", pb::RangeRequest::SortTarget_Name(
                                   static_cast<pb::RangeRequest::SortTarget>(request.sort_target)));
  return fields.flag("serializable", request.serializable)
      .flag("keys_only", request.keys_only)
      .flag("count_only", request.count_only)
      .number("min_mod_revision", request.min_mod_revision)
      .number("max_mod_revision", request.max_mod_revision)
      .number("min_create_revision", request.min_create_revision)
      .number("max_create_revision", request.max_create_revision)
      .text();
}

std::string loggable(const PutView& request) {
  return Fields()
      .bytes("key", request.key)
      .number("value_size", static_cast<int64_t>(request.value.size()))
      .number("lease", request.lease)
      .flag("prev_kv", request.prev_kv)
      .flag("ignore_value", request.ignore_value)
      .flag("ignore_lease", request.ignore_lease)
      .text();
}

std::string loggable(const pb::DeleteRangeRequest& request) {
  return Fields()
      .bytes("key", request.key())
      .bytes("range_end", request.range_end())
      .flag("prev_kv", request.prev_kv())
      .text();
}

std::string loggable(const pb::TxnRequest& request) {
  return fmt::format(
      "compare:<{}> success:<{}> failure:<{}>", joined(request.compare(), loggable_compare),
      joined(request.success(), loggable_op), joined(request.failure(), loggable_op));
}

}  // namespace holdfast::server
