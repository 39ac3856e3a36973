// The lessor's time: promotion, renewal, expiry and checkpoints. What isn't primary has none.
#include <algorithm>

#include "base/mutant.h"
#include "lease/lessor.h"
#include "lease/lessor_parts.h"

namespace holdfast::lease {

namespace {
// Equal times by id: promotion fills the queue from a hash table, and in what order leases go must not hang on its order.
template <class Lease>
bool sooner(const Lease& a, const Lease& b) {
  return a.due != b.due ? a.due < b.due : a.id < b.id;
}
}  // namespace

// --- the queue ---

void Lessor::place(Lease* lease, size_t at) {
  queue_[at] = lease;
  lease->place = static_cast<uint32_t>(at);
}

void Lessor::sift_up(size_t at) {
  Lease* lease = queue_[at];
  while (at > 0 && sooner(*lease, *queue_[(at - 1) / 2])) {
    place(queue_[(at - 1) / 2], at);
    at = (at - 1) / 2;
  }
  place(lease, at);
}

void Lessor::sift_down(size_t at) {
  Lease* lease = queue_[at];
  while (true) {
    size_t child = 2 * at + 1;
    if (child >= queue_.size()) break;
    if (child + 1 < queue_.size() && sooner(*queue_[child + 1], *queue_[child])) ++child;
    if (!sooner(*queue_[child], *lease)) break;
    place(queue_[child], at);
    at = child;
  }
  place(lease, at);
}

void Lessor::queue_put(Lease& lease, env::Instant due) {
  if (lease.place == kNotQueued) {
    lease.due = due;
    queue_.push_back(nullptr);
    place(&lease, queue_.size() - 1);
    sift_up(lease.place);
    return;
  }
  const bool earlier = due < lease.due;
  lease.due = due;
  if (earlier)
    sift_up(lease.place);
  else
    sift_down(lease.place);
}

void Lessor::queue_erase(Lease& lease) {
  if (lease.place == kNotQueued) return;
  const size_t at = lease.place;
  Lease* last = queue_.back();
  queue_.pop_back();
  lease.place = kNotQueued;
  if (last == &lease) return;
  place(last, at);
  sift_up(at);
  sift_down(last->place);
}

// --- expiry ---

void Lessor::refresh(Lease& lease, env::Duration extend, env::Instant now) {
  lease.expiry = saturated_add(saturated_add(now, extend), seconds(lease.ttl_left()));
  if (lease.place == kNotQueued || lease.expiry < lease.due) queue_put(lease, lease.expiry);
}

void Lessor::promote(env::Duration extend, env::Instant now) {
  primary_ = true;
  scheduled_.clear();
  queue_.clear();
  queue_.reserve(leases_.size());
  for (auto& [id, lease] : leases_) {
    lease->place = kNotQueued;
    if (mutant("lease.expiry_of_an_earlier_reign") && lease->expiry != kForever)
      queue_put(*lease, lease->expiry);
    else
      refresh(*lease, extend, now);
    schedule_checkpoint(*lease, now);
  }
  if (leases_.size() >= static_cast<size_t>(options_.revoke_rate)) spread_expiries(extend, now);
}

// As etcd does it: leases are looked at in the order of their expiry, in windows that begin as one second; what is too
// much for a window's rate is delayed so far that the rate fits, and the window grows with it.
void Lessor::spread_expiries(env::Duration extend, env::Instant now) {
  std::vector<Lease*> leases;
  leases.reserve(leases_.size());
  for (auto& [id, lease] : leases_) leases.push_back(lease.get());
  std::sort(leases.begin(), leases.end(), [](const Lease* a, const Lease* b) {
    return a->expiry != b->expiry ? a->expiry < b->expiry : a->id < b->id;
  });

  constexpr env::Duration kSecond = std::chrono::seconds(1);
  // Fewer than may be revoked, so that those that piled up don't take all there is.
  const int expires_per_second = 3 * options_.revoke_rate / 4;
  env::Duration base_window = leases.front()->expiry - now;
  env::Duration next_window = base_window + kSecond;
  int expires = 0;
  for (Lease* lease : leases) {
    const env::Duration remaining = lease->expiry - now;
    if (remaining > next_window) {
      base_window = remaining;
      next_window = base_window + kSecond;
      expires = 1;
      continue;
    }
    ++expires;
    if (expires <= expires_per_second) continue;
    double delay = static_cast<double>(kSecond.count()) * expires / expires_per_second;
    delay -= static_cast<double>((remaining - base_window).count());
    const env::Duration rate_delay(static_cast<int64_t>(delay));
    next_window = base_window + rate_delay;
    refresh(*lease, rate_delay + extend, now);
    schedule_checkpoint(*lease, now);
  }
}

void Lessor::demote() {
  primary_ = false;
  for (Lease* lease : queue_) lease->place = kNotQueued;
  queue_.clear();
  scheduled_.clear();
}

Lessor::Renewal Lessor::renew(LeaseId id, env::Instant now) {
  if (!primary_) return {.outcome = RenewOutcome::not_primary};
  const Lease* lease = find(id);
  if (lease == nullptr) return {.outcome = RenewOutcome::not_found};
  if (lease->expiry <= now && !mutant("lease.renewed_after_its_end")) return {.outcome = RenewOutcome::expired};
  if (options_.checkpoints && lease->remaining_ttl > 0)
    return {.outcome = RenewOutcome::checkpointed};
  return renew_after_checkpoint(id, now);
}

Lessor::Renewal Lessor::renew_after_checkpoint(LeaseId id, env::Instant now) {
  if (!primary_) return {.outcome = RenewOutcome::not_primary};
  Lease* lease = find(id);
  if (lease == nullptr) return {.outcome = RenewOutcome::not_found};
  refresh(*lease, env::Duration(0), now);
  return {.outcome = RenewOutcome::renewed, .ttl = lease->ttl};
}

std::vector<LeaseId> Lessor::expired(env::Instant now, size_t limit) {
  limit = std::min(limit, static_cast<size_t>(options_.revoke_rate / 2));
  std::vector<LeaseId> ids;
  while (ids.size() < limit && !queue_.empty() && queue_.front()->due <= now) {
    Lease& lease = *queue_.front();
    if (lease.expiry > now) {
      queue_put(lease, lease.expiry);  // renewed meanwhile
      continue;
    }
    ids.push_back(lease.id);
    queue_put(lease, now + options_.expired_retry_interval);
  }
  return ids;
}

// --- checkpoints ---

namespace {

constexpr auto kLater = [](const auto& a, const auto& b) { return a.when > b.when; };

}  // namespace

void Lessor::schedule_checkpoint(const Lease& lease, env::Instant now) {
  if (!options_.checkpoints) return;
  if (lease.ttl_left() <=
      std::chrono::duration_cast<std::chrono::seconds>(options_.checkpoint_interval).count())
    return;
  scheduled_.push_back({now + options_.checkpoint_interval, lease.id});
  std::push_heap(scheduled_.begin(), scheduled_.end(), kLater);
}

std::vector<Checkpoint> Lessor::checkpoints_due(env::Instant now, size_t limit) {
  std::vector<Checkpoint> due;
  if (!primary_) return due;
  while (due.size() < limit && !scheduled_.empty() && scheduled_.front().when <= now) {
    const LeaseId id = scheduled_.front().id;
    std::pop_heap(scheduled_.begin(), scheduled_.end(), kLater);
    scheduled_.pop_back();
    const Lease* lease = find(id);
    if (lease == nullptr || lease->expiry <= now) continue;
    const int64_t nanoseconds = (lease->expiry - now).count();
    const int64_t remaining = nanoseconds / 1'000'000'000 + (nanoseconds % 1'000'000'000 != 0);
    if (remaining >= lease->ttl) continue;
    due.push_back({id, remaining});
  }
  return due;
}

}  // namespace holdfast::lease
