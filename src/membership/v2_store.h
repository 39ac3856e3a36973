// What is left of etcd's v2 store: members before 3.7 keep the cluster's membership there too. They write it through the
// log as v2 requests (until 3.5), and expect it in a raft snapshot (until 3.6) (parity MEM-10, RAFT-19, RAFT-20, TRP-46;
// etcd api/v2store, api/membership/storev2.go).
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "membership/cluster.h"

namespace holdfast::membership {

// The data of a raft snapshot: the JSON of a v2 store that holds nothing but the membership and the cluster's version.
std::string to_v2_store_json(const Cluster& cluster);

// The membership in such JSON, of ours or etcd's. Nothing if it can't be understood.
std::optional<Cluster> from_v2_store_json(std::string_view json, ClusterId id);

// True if such JSON holds anything but the membership, the cluster's version and the empty directories of v2
// authentication (etcd IsMetaStoreOnly). What can't be understood holds nothing.
bool holds_v2_user_data(std::string_view json);

// etcdserverpb.Request, as far as it matters here.
struct V2Request {
  uint64_t id = 0;
  std::string_view method;
  std::string_view path;
  std::string_view value;
};
// An entry's payload that is a v2 request, bare or in the field v2 of an InternalRaftRequest. Points into `payload`.
std::optional<V2Request> parse_v2_request(std::string_view payload);
// A bare PUT.
std::string to_v2_put(uint64_t id, std::string_view path, std::string_view value);

// /0/version
inline constexpr std::string_view kV2VersionPath = "/0/version";
// /0/members/{hex id}/attributes
std::string v2_attributes_path(MemberId id);
std::optional<MemberId> parse_v2_attributes_path(std::string_view path);

}  // namespace holdfast::membership
