// Leases are never early: a key that hangs on a lease stays at least until the TTL has passed since the last keep-alive
// (or the grant) was asked for, whoever leads meanwhile; and they end at last, once somebody can lead.
#pragma once

#include <cstdint>
#include <vector>

#include "env/clock.h"
#include "sim/verdict.h"

namespace holdfast::sim {

struct LeaseRecord {
  int64_t id = 0;
  struct Renewal {
    env::Instant asked;
    env::Instant answered;
    int64_t ttl_seconds = 0;  // as answered; <= 0: the lease is gone
  };
  std::vector<Renewal> renewals;  // the grant first; acknowledged ones only
  // True time; {-1}: not revoked by a client (or not known to have been).
  env::Instant revoked_by_client{-1};
  // When the first reader learnt that it is gone; {-1}: never.
  env::Instant seen_gone{-1};
  env::Instant watched_until;  // true time
};

struct LeaseBounds {
  // How much faster than true time a member's clock may run, in millionths.
  int64_t clock_fast_ppm = 0;
  // By when an expired lease must be gone after the TTL, with a healthy cluster; 0: not checked.
  env::Duration late_max{0};
};

Verdict check_lease(const LeaseRecord& lease, const LeaseBounds& bounds);

}  // namespace holdfast::sim
