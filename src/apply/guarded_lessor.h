// The lessor as the member's parts share it: the apply owner changes it and attaches keys (mvcc's LeaseAttacher), the
// lease chores and RPCs renew and ask (any thread). One lock; lease_of(), which every put asks, does without (see
// lease/lessor.h).
#pragma once

#include <map>
#include <mutex>
#include <utility>
#include <vector>

#include "base/task.h"
#include "env/executor.h"
#include "env/metrics.h"
#include "lease/lessor.h"
#include "mvcc/lease_attacher.h"

namespace holdfast::apply {

class GuardedLessor : public mvcc::LeaseAttacher {
 public:
  GuardedLessor(lease::Options options, env::Metrics& metrics);

  // Any thread: calls `use(lessor)` under the lock. Keep it short. For what changes leases or keys (the first group of
  // lease::Lessor): the apply owner only.
  template <class Use>
  auto with(Use&& use) {
    std::lock_guard lock(mutex_);
    return use(lessor_);
  }
  template <class Use>
  auto with(Use&& use) const {
    std::lock_guard lock(mutex_);
    return use(static_cast<const lease::Lessor&>(lessor_));
  }

  // Any thread; as lease::Lessor's, and counted (MET-29).
  lease::Lessor::Renewal renew(LeaseId id, env::Instant now);
  lease::Lessor::Renewal renew_after_checkpoint(LeaseId id, env::Instant now);

  // Any thread: what became of a lease that is expired (LEA-08). `done` runs once, on `reply_on`, never inside the call,
  // when the lease is revoked (at once if it is gone) or this lessor is no longer, or not, primary. Waiters are
  // keep-alives, one a stream at most.
  enum class Fate : uint8_t { revoked, not_primary };
  void wait_for_revocation(LeaseId id, env::Executor& reply_on, UniqueFunction<void(Fate)> done);

  // Any thread. Sorted without holding up those who change leases.
  std::vector<LeaseId> list() const;

  // --- apply owner ---

  void promote(env::Duration extend, env::Instant now);
  // Also at the member's end, so that nobody goes on waiting.
  void demote();

  absl::StatusOr<lease::LeaseRecord> grant(LeaseId id, int64_t ttl, env::Instant now);
  bool revoke(LeaseId id);
  bool contains(LeaseId id) const { return lessor_.contains(id); }  // no lock: only we change leases

  void attach(LeaseId lease, std::string_view key) override;
  void detach(LeaseId lease, std::string_view key) override;
  LeaseId lease_of(std::string_view key) const override { return lessor_.lease_of(key); }

 private:
  struct Waiter {
    env::Executor* reply_on;
    UniqueFunction<void(Fate)> done;
  };
  static void answer(std::vector<Waiter> waiters, Fate fate);

  env::Counter& granted_;
  env::Counter& revoked_;
  env::Counter& renewed_;
  env::Histogram& ttls_;
  mutable std::mutex mutex_;  // guards what follows, but for the apply owner's reads of lessor_
  lease::Lessor lessor_;
  std::map<LeaseId, std::vector<Waiter>> waiters_;  // of expired leases
};

}  // namespace holdfast::apply
