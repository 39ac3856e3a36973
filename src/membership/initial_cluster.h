// --initial-cluster: which members a new cluster is founded with (etcd types.URLsMap, membership.NewClusterFromURLsMap;
// parity MEM-01..03, RAL-15, TRP-40).
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "membership/member.h"
#include "raft/raw_node.h"

namespace holdfast::membership {

// Name to peer URLs, sorted.
using InitialCluster = std::map<std::string, std::vector<std::string>>;

// "name=url,name=url2,other=url". Names may repeat. InvalidArgument with Go's texts for URLs that can't be a peer's.
absl::StatusOr<InitialCluster> parse_initial_cluster(std::string_view text);
std::string to_string(const InitialCluster& cluster);

// Trims, checks and sorts (etcd types.NewURLs): http or https with host:port and no path, unix, unixs.
absl::StatusOr<std::vector<std::string>> parse_urls(const std::vector<std::string>& urls);

// By id. Errors as etcd's: two members with one id, an id of 0.
absl::StatusOr<std::vector<Member>> founding_members(const InitialCluster& cluster,
                                                     std::string_view token);

// What each founder hands to raft::RawNode::bootstrap(): by id, with the member's JSON (RAL-15).
std::vector<raft::Peer> bootstrap_peers(const std::vector<Member>& members);

}  // namespace holdfast::membership
