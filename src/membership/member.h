// A member of the cluster as the members bucket, conf change contexts and peers' HTTP answers know it (etcd
// membership.Member), with Go's JSON of it (parity MEM-04, MEM-09, TRP-42).
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/types.h"

namespace holdfast::membership {

struct Member {
  MemberId id;
  std::vector<std::string> peer_urls;
  bool is_learner = false;
  std::string name;  // empty until the member published itself
  std::vector<std::string> client_urls;

  bool is_started() const { return !name.empty(); }  // MEM-08
  bool operator==(const Member&) const = default;
};

// {"id":1,"peerURLs":[..],"isLearner":true,"name":"..","clientURLs":[..]}: false, empty and zero left out but for id and
// peerURLs, which is null if empty.
std::string to_json(const Member& member);

// As the peer port's /members has it: a list, "null" if empty, with Go's newline behind it (PEERH-02).
std::string to_json(const std::vector<Member>& members);

// {"name":"..","clientURLs":[..]}: what a member says of itself (etcd membership.Attributes). Empty is left out.
struct Attributes {
  std::string name;
  std::vector<std::string> client_urls;
  bool operator==(const Attributes&) const = default;
};
std::string to_json(const Attributes& attributes);
std::optional<Attributes> parse_attributes(std::string_view json);

// The context of a conf change that adds or promotes (etcd ConfigChangeContext): a member's JSON, and perhaps isPromote.
struct ConfChangeContext {
  Member member;
  bool is_promote = false;
  bool operator==(const ConfChangeContext&) const = default;
};
// With "isPromote" always; adding proposes to_json(member) alone (MEM-04).
std::string to_json(const ConfChangeContext& context);

// All read what Go's encoding/json reads into these types: names in any case, unknown names passed over, null leaves the
// field as it is. Nothing if malformed or of the wrong types. Nesting is bounded.
std::optional<Member> parse_member(std::string_view json);
std::optional<std::vector<Member>> parse_members(std::string_view json);
std::optional<ConfChangeContext> parse_conf_change_context(std::string_view json);

// MEM-01. SHA-1 over the sorted URLs and the cluster's token; `unix_seconds` only for members added to a running
// cluster, whose token is empty. May be 0, which is no id: the caller refuses it (MEM-03).
MemberId member_id(std::vector<std::string> peer_urls, std::string_view token,
                   std::optional<int64_t> unix_seconds = std::nullopt);
// MEM-02. SHA-1 over the sorted ids.
ClusterId cluster_id(std::vector<MemberId> ids);

}  // namespace holdfast::membership
