// The fields by which members introduce themselves to each other, and who is let in (etcd rafthttp/util.go, http.go;
// parity RAFT-02..04). Pure.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/log.h"
#include "base/types.h"
#include "net/http.h"

namespace holdfast::peer {

inline constexpr std::string_view kMinClusterVersion = "3.0.0";
inline constexpr std::string_view kIncompatibleVersion = "incompatible version";
inline constexpr std::string_view kClusterIdMismatch = "cluster ID mismatch";

// This member, as it tells the others.
struct Identity {
  MemberId member;
  ClusterId cluster;
  std::vector<std::string> peer_urls;
};

// X-Server-From, X-Server-Version, X-Min-Cluster-Version, X-Etcd-Cluster-ID and, if there are any, X-PeerURLs.
net::HttpFields introduction(const Identity& self);

// Lower-case hex without leading zeros on the way out, any hex on the way in.
std::optional<uint64_t> parse_hex_id(std::string_view text);

// Why a request is refused with 412, if it is; a line in the log says more.
std::optional<std::string_view> refusal(const net::HttpRequest& request, const Identity& self, Logger& log);

// The URLs that a member we may not know gives us to answer to.
struct Introduction {
  MemberId from;
  std::vector<std::string> peer_urls;
};
std::optional<Introduction> introduced(const net::HttpRequest& request);
std::vector<std::string> peer_urls_of(const net::HttpRequest& request);

}  // namespace holdfast::peer
