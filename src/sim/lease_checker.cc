#include "sim/lease_checker.h"

#include <algorithm>

#include "fmt/format.h"

namespace holdfast::sim {

Verdict check_lease(const LeaseRecord& lease, const LeaseBounds& bounds) {
  const bool gone = lease.seen_gone.nanoseconds >= 0;
  const bool revoked = lease.revoked_by_client.nanoseconds >= 0;
  env::Instant alive_until{0};
  env::Instant last_answer{0};
  int64_t last_ttl = 0;
  for (const LeaseRecord::Renewal& r : lease.renewals) {
    if (r.ttl_seconds <= 0) continue;
    if (gone && lease.seen_gone < r.asked)
      return Verdict::violation(fmt::format("lease {} was kept alive after it was gone", lease.id));
    const __int128 ttl = static_cast<__int128>(r.ttl_seconds) * 1'000'000'000;
    const env::Duration least(static_cast<int64_t>(ttl * 1'000'000 / (1'000'000 + bounds.clock_fast_ppm)));
    alive_until = std::max(alive_until, r.asked + least);
    last_answer = std::max(last_answer, r.answered);
    last_ttl = r.ttl_seconds;
  }
  if (gone && !(revoked && lease.revoked_by_client <= lease.seen_gone) && lease.seen_gone < alive_until)
    return Verdict::violation(fmt::format("lease {} was gone {} ms early", lease.id,
                                          (alive_until - lease.seen_gone).count() / 1'000'000));
  if (!gone && bounds.late_max.count() > 0) {
    const env::Instant due = last_answer + std::chrono::seconds(last_ttl) + bounds.late_max;
    if (lease.watched_until > due)
      return Verdict::violation(fmt::format("lease {} is still there {} ms after its end", lease.id,
                                            (lease.watched_until - due + bounds.late_max).count() / 1'000'000));
  }
  return {};
}

}  // namespace holdfast::sim
