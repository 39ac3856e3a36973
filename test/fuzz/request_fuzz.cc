// Requests, and the entries they become: what is taken is what Go's protobuf takes, and however it is read it is the same.
// The first byte chooses the message.
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "apply/checks.h"
#include "apply/go_protobuf.h"
#include "apply/parsed_request.h"
#include "base/check.h"
#include "membership/v2_store.h"
#include "raft_internal.pb.h"
#include "server/request_door.h"
#include "server/request_views.h"

namespace {

namespace pb = etcdserverpb;
using namespace holdfast;

// Shorter than anything nested too deeply for protobuf's default.
constexpr size_t kShallowBytes = 100;

// Checks run on requests as they come; they must stand anything that can be parsed.
void check_fields(const pb::InternalRaftRequest& message) {
  (void)apply::check_txn_request(message.txn(), 128);
  (void)apply::check_range_stream_request(message.range());
  (void)apply::check_put_request(message.put());
}

// The message that Go reads; nothing if it refuses the bytes.
template <class Message>
std::optional<Message> as_go_reads(std::string_view bytes) {
  const google::protobuf::Descriptor& type = *Message::descriptor();
  if (apply::find_wire_fault(bytes, type) != apply::WireFault::none) return std::nullopt;
  const std::string known = apply::without_unknown_fields(bytes, type);
  Message message, whole;
  CHECK(message.ParseFromString(known) || known.size() > kShallowBytes);  // protobuf's default depth is 100
  if (whole.ParseFromArray(bytes.data(), static_cast<int>(bytes.size()))) {
    whole.DiscardUnknownFields();
    CHECK(whole.SerializeAsString() == message.SerializeAsString());
  }
  return message;
}

void check_entry(std::string_view bytes) {
  apply::ParsedRequest parsed;
  const bool understood = parsed.parse(bytes);
  if (membership::parse_v2_request(bytes)) return;
  const auto message = as_go_reads<pb::InternalRaftRequest>(bytes);
  // Names that are no UTF-8 are no concern of the short way.
  if (!message) return;
  check_fields(*message);
  CHECK(understood == (message->id() != 0 || message->has_header()));
  if (!understood) return;
  CHECK(parsed.id() == (message->id() != 0 ? message->id() : message->header().id()));
  CHECK(parsed.caller().username == message->header().username());
  CHECK(parsed.caller().auth_revision == message->header().auth_revision());
  if (parsed.kind() != apply::CommandKind::put) return;
  CHECK(message->has_put());
  const apply::PutCommand& put = parsed.put();
  const pb::PutRequest& wanted = message->put();
  CHECK(put.key == wanted.key() && put.value == wanted.value() && put.lease.value == wanted.lease());
  CHECK(put.prev_kv == wanted.prev_kv() && put.ignore_value == wanted.ignore_value() &&
        put.ignore_lease == wanted.ignore_lease());
}

void check_put(std::string_view bytes) {
  const auto message = as_go_reads<pb::PutRequest>(bytes);
  const auto view = server::parse_put(bytes);
  CHECK(view.has_value() == message.has_value());
  if (!view) return;
  CHECK(view->bytes == bytes && view->key == message->key() && view->value == message->value());
  CHECK(view->lease == message->lease() && view->prev_kv == message->prev_kv());
  CHECK(view->ignore_value == message->ignore_value() && view->ignore_lease == message->ignore_lease());
}

void check_range(std::string_view bytes) {
  const auto message = as_go_reads<pb::RangeRequest>(bytes);
  const auto view = server::parse_range(bytes);
  CHECK(view.has_value() == message.has_value());
  if (!view) return;
  CHECK(server::to_message(*view).SerializeAsString() == message->SerializeAsString());
}

// A request that the door lets in becomes an entry that every member reads as the same.
void check_spliced(std::string_view bytes) {
  const auto message = as_go_reads<pb::TxnRequest>(bytes);
  if (!message) return;
  const SharedBytes entry = server::internal_raft_request(7, {}, server::Command::txn, bytes);
  const auto read = as_go_reads<pb::InternalRaftRequest>(entry.view());
  CHECK(read && read->txn().SerializeAsString() == message->SerializeAsString());
  apply::ParsedRequest parsed;
  CHECK(parsed.parse(entry.view()) && parsed.kind() == apply::CommandKind::txn && parsed.id() == 7);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  const std::string_view bytes(reinterpret_cast<const char*>(data) + 1, size - 1);
  switch (data[0] % 6) {
    case 0: check_entry(bytes); break;
    case 1: check_put(bytes); break;
    case 2: check_range(bytes); break;
    case 3: check_spliced(bytes); break;
    case 4: (void)as_go_reads<pb::WatchRequest>(bytes); break;
    default: (void)as_go_reads<pb::MemberAddRequest>(bytes);
  }
  return 0;
}
