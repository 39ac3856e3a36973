// The two requests that come a hundred thousand times a second, read from their wire bytes without
// building a protobuf object: as much of them as checking and routing needs. Everything points into
// the bytes, which the caller keeps.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace etcdserverpb {
class PutRequest;
class RangeRequest;
}  // namespace etcdserverpb

namespace holdfast::server {

struct PutView {
  std::string_view bytes;  // the whole serialized PutRequest
  std::string_view key;
  std::string_view value;
  int64_t lease = 0;
  bool prev_kv = false;
  bool ignore_value = false;
  bool ignore_lease = false;
};

struct RangeView {
  std::string_view bytes;  // the whole serialized RangeRequest; may be empty if made by hand
  std::string_view key;
  std::string_view range_end;
  int64_t limit = 0;
  int64_t revision = 0;
  int sort_order = 0;   // RangeRequest.SortOrder, unchecked
  int sort_target = 0;  // RangeRequest.SortTarget, unchecked
  bool serializable = false;
  bool keys_only = false;
  bool count_only = false;
  int64_t min_mod_revision = 0;
  int64_t max_mod_revision = 0;
  int64_t min_create_revision = 0;
  int64_t max_create_revision = 0;

  bool has_revision_filters() const {
    return min_mod_revision != 0 || max_mod_revision != 0 || min_create_revision != 0 ||
           max_create_revision != 0;
  }
  // KV-11: the order the store gives by itself.
  bool has_default_order() const {
    return sort_order == 0 || (sort_target == 0 && sort_order == 1);
  }
};

// Accept what Go's protobuf accepts, which is a little less than C++'s does: numbers end with their
// 64th bit. Nothing if the bytes are not a message of the type.
std::optional<PutView> parse_put(std::string_view bytes);
std::optional<RangeView> parse_range(std::string_view bytes);

// Of a message that somebody has already: `bytes` is left empty.
// True if the bytes hold nothing but what the view shows, as almost all do: no unknown fields, no field twice.
bool is_plain(const PutView& view);

RangeView view_of(const etcdserverpb::RangeRequest& request);
etcdserverpb::RangeRequest to_message(const RangeView& view);

}  // namespace holdfast::server
