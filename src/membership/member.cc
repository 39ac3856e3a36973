#include "membership/member.h"

#include <openssl/sha.h>

#include <algorithm>

#include "base/wire.h"
#include "base/json.h"

namespace holdfast::membership {

namespace {

uint64_t first_eight_bytes_of_sha1(std::string_view input) {
  unsigned char digest[SHA_DIGEST_LENGTH];
  SHA1(reinterpret_cast<const unsigned char*>(input.data()), input.size(), digest);
  return wire::read_be64(reinterpret_cast<const char*>(digest));
}

// Without the closing brace.
std::string json_fields(const Member& member) {
  std::string out = "{\"id\":" + std::to_string(member.id.value) + ",\"peerURLs\":";
  if (member.peer_urls.empty())
    out += "null";
  else
    json::append_strings(out, member.peer_urls);
  if (member.is_learner) out += ",\"isLearner\":true";
  if (!member.name.empty()) {
    out += ",\"name\":";
    json::append_string(out, member.name);
  }
  if (!member.client_urls.empty()) {
    out += ",\"clientURLs\":";
    json::append_strings(out, member.client_urls);
  }
  return out;
}

bool read_field(std::string_view name, json::Reader& value, Member& member) {
  if (json::same_name(name, "id")) return value.unsigned_number(member.id.value);
  if (json::same_name(name, "peerURLs")) return value.strings(member.peer_urls);
  if (json::same_name(name, "isLearner")) return value.boolean(member.is_learner);
  if (json::same_name(name, "name")) return value.string(member.name);
  if (json::same_name(name, "clientURLs")) return value.strings(member.client_urls);
  return value.skip();
}

}  // namespace

std::string to_json(const Member& member) { return json_fields(member) + '}'; }

std::string to_json(const std::vector<Member>& members) {
  if (members.empty()) return "null\n";
  std::string out = "[";
  for (const Member& member : members) {
    if (out.size() > 1) out += ',';
    out += to_json(member);
  }
  return out + "]\n";
}

std::string to_json(const Attributes& attributes) {
  std::string out = "{";
  if (!attributes.name.empty()) {
    out += "\"name\":";
    json::append_string(out, attributes.name);
  }
  if (!attributes.client_urls.empty()) {
    out += attributes.name.empty() ? "\"clientURLs\":" : ",\"clientURLs\":";
    json::append_strings(out, attributes.client_urls);
  }
  return out + '}';
}

std::string to_json(const ConfChangeContext& context) {
  return json_fields(context.member) +
         (context.is_promote ? ",\"isPromote\":true}" : ",\"isPromote\":false}");
}

std::optional<Member> parse_member(std::string_view text) {
  Member member;
  json::Reader reader(text);
  if (!reader.object([&](std::string_view name, json::Reader& value) {
        return read_field(name, value, member);
      }) ||
      !reader.at_end())
    return std::nullopt;
  return member;
}

std::optional<std::vector<Member>> parse_members(std::string_view text) {
  std::vector<Member> members;
  json::Reader reader(text);
  const auto one = [&](json::Reader& value) {
    Member member;
    if (!value.object([&](std::string_view name, json::Reader& field) {
          return read_field(name, field, member);
        }))
      return false;
    members.push_back(std::move(member));
    return true;
  };
  if (!reader.array(one) || !reader.at_end()) return std::nullopt;
  return members;
}

std::optional<Attributes> parse_attributes(std::string_view text) {
  Attributes attributes;
  json::Reader reader(text);
  if (!reader.object([&](std::string_view name, json::Reader& value) {
        if (json::same_name(name, "name")) return value.string(attributes.name);
        if (json::same_name(name, "clientURLs")) return value.strings(attributes.client_urls);
        return value.skip();
      }) ||
      !reader.at_end())
    return std::nullopt;
  return attributes;
}

std::optional<ConfChangeContext> parse_conf_change_context(std::string_view text) {
  ConfChangeContext context;
  json::Reader reader(text);
  if (!reader.object([&](std::string_view name, json::Reader& value) {
        if (json::same_name(name, "isPromote")) return value.boolean(context.is_promote);
        return read_field(name, value, context.member);
      }) ||
      !reader.at_end())
    return std::nullopt;
  return context;
}

MemberId member_id(std::vector<std::string> peer_urls, std::string_view token,
                   std::optional<int64_t> unix_seconds) {
  std::sort(peer_urls.begin(), peer_urls.end());
  std::string input;
  for (const std::string& url : peer_urls) input += url;
  input += token;
  if (unix_seconds) input += std::to_string(*unix_seconds);
  return MemberId(first_eight_bytes_of_sha1(input));
}

ClusterId cluster_id(std::vector<MemberId> ids) {
  std::sort(ids.begin(), ids.end());
  std::string input;
  for (MemberId id : ids) wire::append_be64(input, id.value);
  return ClusterId(first_eight_bytes_of_sha1(input));
}

}  // namespace holdfast::membership
