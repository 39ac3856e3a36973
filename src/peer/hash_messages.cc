#include "peer/hash_messages.h"

#include "base/json.h"
#include "fmt/format.h"

namespace holdfast::peer {

namespace {

// `,"name":value`; Go leaves out what is zero.
void append_nonzero(std::string& out, std::string_view name, int64_t value) {
  if (value == 0) return;
  if (!out.empty() && out.back() != '{') out += ',';
  out += fmt::format("\"{}\":{}", name, value);
}

}  // namespace

std::string hash_request_json(Revision revision) {
  std::string json = "{";
  append_nonzero(json, "revision", revision.value);
  return json + '}';
}

std::string hash_answer_json(const mvcc::HashResult& hash) {
  std::string json = "{\"header\":{";
  append_nonzero(json, "revision", hash.current_revision.value);
  json += '}';
  append_nonzero(json, "hash", hash.hash);
  append_nonzero(json, "compact_revision", hash.compact_revision.value);
  append_nonzero(json, "hash_revision", hash.hash_revision.value);
  return json + '}';
}

std::optional<Revision> parse_hash_request(std::string_view json) {
  Revision revision;
  json::Reader reader(json);
  const bool ok = reader.object([&](std::string_view name, json::Reader& value) {
    return json::same_name(name, "revision") ? value.number(revision.value) : value.skip();
  });
  return ok && reader.at_end() ? std::optional(revision) : std::nullopt;
}

std::optional<mvcc::HashResult> parse_hash_answer(std::string_view json) {
  mvcc::HashResult hash;
  uint64_t crc = 0;
  json::Reader reader(json);
  const auto header = [&](std::string_view name, json::Reader& value) {
    return json::same_name(name, "revision") ? value.number(hash.current_revision.value) : value.skip();
  };
  const bool ok = reader.object([&](std::string_view name, json::Reader& value) {
    if (json::same_name(name, "header")) return value.object(header);
    if (json::same_name(name, "hash")) return value.unsigned_number(crc);
    if (json::same_name(name, "compact_revision")) return value.number(hash.compact_revision.value);
    if (json::same_name(name, "hash_revision")) return value.number(hash.hash_revision.value);
    return value.skip();
  });
  if (!ok || !reader.at_end() || crc > UINT32_MAX) return std::nullopt;
  hash.hash = static_cast<uint32_t>(crc);
  return hash;
}

}  // namespace holdfast::peer
