// What members before 3.7 say about the cluster: v2 requests, a v2 store's JSON, and the JSON of members. Any bytes are
// refused or understood; what was understood is written and read again as the same. The first byte chooses.
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/check.h"
#include "membership/cluster.h"
#include "membership/member.h"
#include "membership/v2_store.h"

namespace {

using namespace holdfast::membership;

void check_v2_request(std::string_view bytes) {
  const auto request = parse_v2_request(bytes);
  if (!request) return;
  const std::string again = to_v2_put(request->id, request->path, request->value);
  const auto read = parse_v2_request(again);
  CHECK(read && read->id == request->id && read->method == "PUT" && read->path == request->path &&
        read->value == request->value);
  if (const auto member = parse_v2_attributes_path(request->path))
    CHECK(parse_v2_attributes_path(v2_attributes_path(*member)) == member);
}

void check_member(std::string_view bytes) {
  const auto member = parse_member(bytes);
  if (!member) return;
  CHECK(parse_member(to_json(*member)) == member);
}

void check_context(std::string_view bytes) {
  const auto context = parse_conf_change_context(bytes);
  if (!context) return;
  CHECK(parse_conf_change_context(to_json(*context)) == context);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  const std::string_view bytes(reinterpret_cast<const char*>(data) + 1, size - 1);
  switch (data[0] % 5) {
    case 0: check_v2_request(bytes); break;
    case 1: check_member(bytes); break;
    case 2: check_context(bytes); break;
    case 3: (void)holds_v2_user_data(bytes); break;
    default:
      (void)parse_members(bytes);
      (void)parse_attributes(bytes);
      (void)parse_downgrade(bytes);
  }
  return 0;
}
