#include "apply/guarded_lessor.h"

namespace holdfast::apply {

GuardedLessor::GuardedLessor(lease::Options options, env::Metrics& metrics)
    : granted_(metrics.counter("etcd_debugging_lease_granted_total",
                               "The total number of granted leases.")),
      revoked_(metrics.counter("etcd_debugging_lease_revoked_total",
                               "The total number of revoked leases.")),
      renewed_(metrics.counter("etcd_debugging_lease_renewed_total",
                               "The number of renewed leases seen by the leader.")),
      ttls_(metrics.histogram("etcd_debugging_lease_ttl_total",
                              "Bucketed histogram of lease TTLs.",
                              env::exponential_buckets(1, 2, 24))),
      lessor_(options) {}

lease::Lessor::Renewal GuardedLessor::renew(LeaseId id, env::Instant now) {
  const auto renewal = with([&](lease::Lessor& lessor) { return lessor.renew(id, now); });
  if (renewal.outcome == lease::Lessor::RenewOutcome::renewed) renewed_.increment();
  return renewal;
}

lease::Lessor::Renewal GuardedLessor::renew_after_checkpoint(LeaseId id, env::Instant now) {
  const auto renewal =
      with([&](lease::Lessor& lessor) { return lessor.renew_after_checkpoint(id, now); });
  if (renewal.outcome == lease::Lessor::RenewOutcome::renewed) renewed_.increment();
  return renewal;
}

absl::StatusOr<lease::LeaseRecord> GuardedLessor::grant(LeaseId id, int64_t ttl,
                                                        env::Instant now) {
  auto record = with([&](lease::Lessor& lessor) { return lessor.grant(id, ttl, now); });
  if (record.ok()) {
    granted_.increment();
    ttls_.observe(static_cast<double>(record->ttl));
  }
  return record;
}

bool GuardedLessor::revoke(LeaseId id) {
  if (!with([&](lease::Lessor& lessor) { return lessor.revoke(id); })) return false;
  revoked_.increment();
  return true;
}

void GuardedLessor::attach(LeaseId lease, std::string_view key) {
  with([&](lease::Lessor& lessor) { lessor.attach(lease, key); });
}

void GuardedLessor::detach(LeaseId, std::string_view key) {
  with([&](lease::Lessor& lessor) { lessor.detach(key); });
}

}  // namespace holdfast::apply
