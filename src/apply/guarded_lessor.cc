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

void GuardedLessor::answer(std::vector<Waiter> waiters, Fate fate) {
  for (Waiter& waiter : waiters)
    waiter.reply_on->post([done = std::move(waiter.done), fate]() mutable { done(fate); });
}

void GuardedLessor::wait_for_revocation(LeaseId id, env::Executor& reply_on,
                                        UniqueFunction<void(Fate)> done) {
  std::vector<Waiter> now;
  Fate fate = Fate::revoked;
  {
    std::lock_guard lock(mutex_);
    const bool waits = lessor_.is_primary() && lessor_.contains(id);
    if (!lessor_.is_primary()) fate = Fate::not_primary;
    (waits ? waiters_[id] : now).push_back({&reply_on, std::move(done)});
  }
  answer(std::move(now), fate);
}

std::vector<LeaseId> GuardedLessor::list() const {
  return lease::Lessor::list_of(with([](const lease::Lessor& lessor) { return lessor.expiries(); }));
}

void GuardedLessor::promote(env::Duration extend, env::Instant now) {
  with([&](lease::Lessor& lessor) { lessor.promote(extend, now); });
}

void GuardedLessor::demote() {
  std::map<LeaseId, std::vector<Waiter>> waiters;
  {
    std::lock_guard lock(mutex_);
    lessor_.demote();
    waiters.swap(waiters_);
  }
  for (auto& [id, of_lease] : waiters) answer(std::move(of_lease), Fate::not_primary);
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
  std::vector<Waiter> waiters;
  {
    std::lock_guard lock(mutex_);
    if (!lessor_.revoke(id)) return false;
    if (auto node = waiters_.extract(id)) waiters = std::move(node.mapped());
  }
  answer(std::move(waiters), Fate::revoked);
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
