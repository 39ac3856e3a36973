#include "peer/lease_messages.h"

#include "base/wire.h"

namespace holdfast::peer {

namespace {

// `visit(field)` for each; false if the bytes are no message.
template <class Visit>
bool read_fields(std::string_view bytes, Visit visit) {
  wire::Reader reader(bytes);
  wire::Field field;
  while (reader.next(field)) visit(field);
  return reader.ok();
}

bool is_number(const wire::Field& field, uint32_t number) {
  return field.number == number && field.type == wire::Type::varint;
}
bool is_bytes(const wire::Field& field, uint32_t number) {
  return field.number == number && field.type == wire::Type::bytes;
}

// Look-ups travel inside a message that has nothing else (etcd leasepb.LeaseInternalRequest, LeaseInternalResponse).
std::optional<std::string_view> unwrap(std::string_view bytes) {
  std::optional<std::string_view> inner;
  if (!read_fields(bytes, [&](const wire::Field& f) {
        if (is_bytes(f, 1)) inner = f.bytes;
      }))
    return std::nullopt;
  return inner;
}

}  // namespace

std::string encode_renew_request(LeaseId id) {
  std::string out;
  wire::Writer(out).put_nonzero_int64(1, id.value);
  return out;
}

std::optional<LeaseId> decode_renew_request(std::string_view bytes) {
  LeaseId id;
  if (!read_fields(bytes, [&](const wire::Field& f) {
        if (is_number(f, 1)) id = LeaseId(f.as_int64());
      }))
    return std::nullopt;
  return id;
}

std::string encode_renew_answer(LeaseId id, int64_t ttl) {
  std::string out;
  wire::Writer writer(out);
  writer.put_nonzero_int64(2, id.value);
  writer.put_nonzero_int64(3, ttl);
  return out;
}

std::optional<RenewAnswer> decode_renew_answer(std::string_view bytes) {
  RenewAnswer answer;
  if (!read_fields(bytes, [&](const wire::Field& f) {
        if (is_number(f, 2)) answer.id = LeaseId(f.as_int64());
        if (is_number(f, 3)) answer.ttl = f.as_int64();
      }))
    return std::nullopt;
  return answer;
}

std::string encode_lookup_request(const LookupRequest& request) {
  std::string inner, out;
  wire::Writer writer(inner);
  writer.put_nonzero_int64(1, request.id.value);
  if (request.keys == server::LeaseKeys::included) writer.put_bool(2, true);
  wire::Writer(out).put_bytes(1, inner);
  return out;
}

std::optional<LookupRequest> decode_lookup_request(std::string_view bytes) {
  const auto inner = unwrap(bytes);
  if (!inner) return std::nullopt;
  LookupRequest request;
  if (!read_fields(*inner, [&](const wire::Field& f) {
        if (is_number(f, 1)) request.id = LeaseId(f.as_int64());
        if (is_number(f, 2))
          request.keys = f.as_bool() ? server::LeaseKeys::included : server::LeaseKeys::left_out;
      }))
    return std::nullopt;
  return request;
}

std::string encode_lookup_answer(LeaseId id, const server::LeaseInfo& info) {
  std::string inner, out;
  wire::Writer writer(inner);
  writer.put_bytes(1, {});  // an empty header
  writer.put_nonzero_int64(2, id.value);
  writer.put_nonzero_int64(3, info.ttl);
  writer.put_nonzero_int64(4, info.granted_ttl);
  for (const std::string& key : info.keys) writer.put_bytes(5, key);
  wire::Writer(out).put_bytes(1, inner);
  return out;
}

std::optional<LookupAnswer> decode_lookup_answer(std::string_view bytes) {
  const auto inner = unwrap(bytes);
  if (!inner) return std::nullopt;
  LookupAnswer answer;
  if (!read_fields(*inner, [&](const wire::Field& f) {
        if (is_number(f, 2)) answer.id = LeaseId(f.as_int64());
        if (is_number(f, 3)) answer.info.ttl = f.as_int64();
        if (is_number(f, 4)) answer.info.granted_ttl = f.as_int64();
        if (is_bytes(f, 5)) answer.info.keys.emplace_back(f.bytes);
      }))
    return std::nullopt;
  return answer;
}

}  // namespace holdfast::peer
