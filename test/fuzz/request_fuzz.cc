// Requests that are read from their bytes without protobuf: what is taken is what protobuf's parser takes. The first byte
// chooses the message.
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "apply/checks.h"
#include "apply/parsed_request.h"
#include "base/check.h"
#include "raft_internal.pb.h"
#include "server/request_views.h"

namespace {

namespace pb = etcdserverpb;
using namespace holdfast;

// Checks run on requests as they come; they must stand anything that can be parsed.
void check_fields(const pb::InternalRaftRequest& message) {
  (void)apply::check_txn_request(message.txn(), 128);
  (void)apply::check_range_stream_request(message.range());
  (void)apply::check_put_request(message.put());
}

void check_entry(std::string_view bytes) {
  pb::InternalRaftRequest message;
  const bool valid = message.ParseFromString(std::string(bytes));
  if (valid) check_fields(message);
  apply::ParsedRequest parsed;
  const bool understood = parsed.parse(bytes);
  // Names that are no UTF-8 are no concern of the short way; nesting deeper than protobuf's default none of the long one.
  if (!valid) return;
  CHECK(understood == (message.id() != 0 || message.has_header()));
  if (!understood) return;
  CHECK(parsed.id() == (message.id() != 0 ? message.id() : message.header().id()));
  CHECK(parsed.caller().username == message.header().username());
  CHECK(parsed.caller().auth_revision == message.header().auth_revision());
  if (parsed.kind() != apply::CommandKind::put) return;
  CHECK(message.has_put());
  const apply::PutCommand& put = parsed.put();
  const pb::PutRequest& wanted = message.put();
  CHECK(put.key == wanted.key() && put.value == wanted.value() && put.lease.value == wanted.lease());
  CHECK(put.prev_kv == wanted.prev_kv() && put.ignore_value == wanted.ignore_value() &&
        put.ignore_lease == wanted.ignore_lease());
}

void check_put(std::string_view bytes) {
  pb::PutRequest message;
  const bool valid = message.ParseFromString(std::string(bytes));
  const auto view = server::parse_put(bytes);
  if (!view) return;
  CHECK(valid);
  CHECK(view->bytes == bytes && view->key == message.key() && view->value == message.value());
  CHECK(view->lease == message.lease() && view->prev_kv == message.prev_kv());
  CHECK(view->ignore_value == message.ignore_value() && view->ignore_lease == message.ignore_lease());
}

void check_range(std::string_view bytes) {
  pb::RangeRequest message;
  const bool valid = message.ParseFromString(std::string(bytes));
  const auto view = server::parse_range(bytes);
  if (!view) return;
  CHECK(valid);
  message.DiscardUnknownFields();
  CHECK(server::to_message(*view).SerializeAsString() == message.SerializeAsString());
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  const std::string_view bytes(reinterpret_cast<const char*>(data) + 1, size - 1);
  switch (data[0] % 3) {
    case 0: check_entry(bytes); break;
    case 1: check_put(bytes); break;
    default: check_range(bytes);
  }
  return 0;
}
