// The bodies of /leases and /leases/internal (etcd server/lease/leasehttp,
// leasepb.LeaseInternalRequest; parity PEERH-04, PEERH-05), as protobuf messages on the wire. Pure.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/types.h"
#include "server/leader_lessor.h"

namespace holdfast::peer {

inline constexpr char kLeasesPath[] = "/leases";
inline constexpr char kLeasesInternalPath[] = "/leases/internal";
inline constexpr size_t kLeaseRequestBytesMax = 64 * 1024;  // VD-26
// What a leader that is behind with applying answers with 408.
inline constexpr std::string_view kApplyTimeout =
    "waiting for node to catch up its applied index has timed out";

// etcdserverpb.LeaseKeepAliveRequest and -Response (without a header).
std::string encode_renew_request(LeaseId id);
std::optional<LeaseId> decode_renew_request(std::string_view bytes);
std::string encode_renew_answer(LeaseId id, int64_t ttl);
struct RenewAnswer {
  LeaseId id;
  int64_t ttl = 0;
};
std::optional<RenewAnswer> decode_renew_answer(std::string_view bytes);

struct LookupRequest {
  LeaseId id;
  server::LeaseKeys keys = server::LeaseKeys::left_out;
};
std::string encode_lookup_request(const LookupRequest& request);
std::optional<LookupRequest> decode_lookup_request(std::string_view bytes);
std::string encode_lookup_answer(LeaseId id, const server::LeaseInfo& info);
struct LookupAnswer {
  LeaseId id;
  server::LeaseInfo info;
};
std::optional<LookupAnswer> decode_lookup_answer(std::string_view bytes);

}  // namespace holdfast::peer
