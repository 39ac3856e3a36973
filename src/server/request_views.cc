#include "server/request_views.h"

#include "base/wire.h"
#include "rpc.pb.h"

namespace holdfast::server {

namespace {

using wire::Field;
using wire::Type;

// Protobuf's rules: the last value of a field counts, and a known number with another wire type is
// an unknown field.
void take(const Field& field, bool& to) {
  if (field.type == Type::varint) to = field.as_bool();
}
void take(const Field& field, int64_t& to) {
  if (field.type == Type::varint) to = field.as_int64();
}
void take(const Field& field, int& to) {
  if (field.type == Type::varint) to = field.as_int32();
}
void take(const Field& field, std::string_view& to) {
  if (field.type == Type::bytes) to = field.bytes;
}

}  // namespace

std::optional<PutView> parse_put(std::string_view bytes) {
  PutView view;
  view.bytes = bytes;
  wire::Reader reader(bytes);
  Field field;
  while (reader.next(field)) {
    switch (field.number) {
      case 1:
        take(field, view.key);
        break;
      case 2:
        take(field, view.value);
        break;
      case 3:
        take(field, view.lease);
        break;
      case 4:
        take(field, view.prev_kv);
        break;
      case 5:
        take(field, view.ignore_value);
        break;
      case 6:
        take(field, view.ignore_lease);
        break;
      default:
        break;
    }
  }
  if (!reader.ok()) return std::nullopt;
  return view;
}

bool is_plain(const PutView& view) {
  const auto bytes_field = [](std::string_view v) { return v.empty() ? 0 : 1 + wire::varint_size(v.size()) + v.size(); };
  size_t size = bytes_field(view.key) + bytes_field(view.value);
  if (view.lease != 0) size += 1 + wire::varint_size(static_cast<uint64_t>(view.lease));
  for (const bool flag : {view.prev_kv, view.ignore_value, view.ignore_lease}) size += flag ? 2 : 0;
  return size == view.bytes.size();
}

std::optional<RangeView> parse_range(std::string_view bytes) {
  RangeView view;
  view.bytes = bytes;
  wire::Reader reader(bytes);
  Field field;
  while (reader.next(field)) {
    switch (field.number) {
      case 1:
        take(field, view.key);
        break;
      case 2:
        take(field, view.range_end);
        break;
      case 3:
        take(field, view.limit);
        break;
      case 4:
        take(field, view.revision);
        break;
      case 5:
        take(field, view.sort_order);
        break;
      case 6:
        take(field, view.sort_target);
        break;
      case 7:
        take(field, view.serializable);
        break;
      case 8:
        take(field, view.keys_only);
        break;
      case 9:
        take(field, view.count_only);
        break;
      case 10:
        take(field, view.min_mod_revision);
        break;
      case 11:
        take(field, view.max_mod_revision);
        break;
      case 12:
        take(field, view.min_create_revision);
        break;
      case 13:
        take(field, view.max_create_revision);
        break;
      default:
        break;
    }
  }
  if (!reader.ok()) return std::nullopt;
  return view;
}

RangeView view_of(const etcdserverpb::RangeRequest& request) {
  RangeView view;
  view.key = request.key();
  view.range_end = request.range_end();
  view.limit = request.limit();
  view.revision = request.revision();
  view.sort_order = request.sort_order();
  view.sort_target = request.sort_target();
  view.serializable = request.serializable();
  view.keys_only = request.keys_only();
  view.count_only = request.count_only();
  view.min_mod_revision = request.min_mod_revision();
  view.max_mod_revision = request.max_mod_revision();
  view.min_create_revision = request.min_create_revision();
  view.max_create_revision = request.max_create_revision();
  return view;
}

etcdserverpb::RangeRequest to_message(const RangeView& view) {
  etcdserverpb::RangeRequest request;
  request.set_key(std::string(view.key));
  request.set_range_end(std::string(view.range_end));
  request.set_limit(view.limit);
  request.set_revision(view.revision);
  request.set_sort_order(static_cast<etcdserverpb::RangeRequest::SortOrder>(view.sort_order));
  request.set_sort_target(static_cast<etcdserverpb::RangeRequest::SortTarget>(view.sort_target));
  request.set_serializable(view.serializable);
  request.set_keys_only(view.keys_only);
  request.set_count_only(view.count_only);
  request.set_min_mod_revision(view.min_mod_revision);
  request.set_max_mod_revision(view.max_mod_revision);
  request.set_min_create_revision(view.min_create_revision);
  request.set_max_create_revision(view.max_create_revision);
  return request;
}

}  // namespace holdfast::server
