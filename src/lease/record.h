// A lease as stored in the bucket `lease` (parity BKT-04; etcd leasepb.Lease): key = id, 8 bytes big-endian; value =
// {1 ID, 2 TTL, 3 RemainingTTL}. Expiry is not stored (LEA-16).
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/types.h"

namespace holdfast::lease {

struct LeaseRecord {
  LeaseId id;
  int64_t ttl = 0;            // seconds, as granted
  int64_t remaining_ttl = 0;  // seconds, of the last checkpoint; 0: none
  bool operator==(const LeaseRecord&) const = default;
};

std::string record_key(LeaseId id);
std::string record_value(const LeaseRecord& record);
// Nothing if malformed; unknown fields are skipped.
std::optional<LeaseRecord> parse_record(std::string_view value);

}  // namespace holdfast::lease
