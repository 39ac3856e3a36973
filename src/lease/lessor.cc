// The replicated half of the lessor: which leases there are and what hangs on them. Time is in expiry.cc.
#include "lease/lessor.h"

#include <algorithm>

#include "base/check.h"
#include "base/errors.h"
#include "lease/lessor_parts.h"

namespace holdfast::lease {

size_t Lessor::ItemHash::operator()(const Item* item) const { return (*this)(item->key()); }
size_t Lessor::ItemHash::operator()(std::string_view key) const {
  return absl::Hash<std::string_view>()(key);
}
bool Lessor::ItemEqual::operator()(const Item* a, std::string_view b) const {
  return a->key() == b;
}

Lessor::Lessor(Options options) : options_(options) {}

Lessor::~Lessor() { clear(); }

void Lessor::clear() {
  for (Item* item : items_) Item::destroy(item);
  items_.clear();
  leases_.clear();
  queue_.clear();
  scheduled_.clear();
}

Lessor::Lease* Lessor::find(LeaseId id) const {
  auto it = leases_.find(id.value);
  return it == leases_.end() ? nullptr : it->second.get();
}

absl::StatusOr<LeaseRecord> Lessor::grant(LeaseId id, int64_t ttl, env::Instant now) {
  if (!id) return error(EtcdError::lease_not_found);
  if (ttl > kTtlMax) return error(EtcdError::lease_ttl_too_large);
  auto [it, is_new] = leases_.try_emplace(id.value);
  if (!is_new) return error(EtcdError::lease_exist);
  it->second = std::make_unique<Lease>();
  Lease& lease = *it->second;
  lease.id = id;
  lease.ttl = std::max(ttl, options_.ttl_min);
  if (primary_) {
    refresh(lease, env::Duration(0), now);
    schedule_checkpoint(lease, now);
  }
  return LeaseRecord{.id = id, .ttl = lease.ttl};
}

bool Lessor::revoke(LeaseId id) {
  Lease* lease = find(id);
  if (lease == nullptr) return false;
  while (lease->items != nullptr) {
    Item* item = lease->items;
    items_.erase(item);
    unlink(item);
    Item::destroy(item);
  }
  queue_erase(*lease);
  leases_.erase(id.value);
  return true;
}

std::optional<LeaseRecord> Lessor::checkpoint(LeaseId id, int64_t remaining_ttl,
                                              env::Instant now) {
  Lease* lease = find(id);
  if (lease == nullptr) return std::nullopt;
  // The present expiry stays: the checkpoint counts from the next promotion on.
  lease->remaining_ttl = remaining_ttl;
  if (primary_) schedule_checkpoint(*lease, now);
  return LeaseRecord{.id = id, .ttl = lease->ttl, .remaining_ttl = remaining_ttl};
}

bool Lessor::attach(LeaseId id, std::string_view key) {
  Lease* lease = find(id);
  if (lease == nullptr) return false;
  Item* item = nullptr;
  if (auto it = items_.find(key); it != items_.end()) {
    item = *it;
    if (item->lease == lease) return true;
    unlink(item);
  } else {
    item = Item::make(key);
    items_.insert(item);
  }
  item->lease = lease;
  item->previous = nullptr;
  item->next = lease->items;
  if (lease->items != nullptr) lease->items->previous = item;
  lease->items = item;
  ++lease->item_count;
  return true;
}

void Lessor::unlink(Item* item) {
  Lease& lease = *item->lease;
  (item->previous != nullptr ? item->previous->next : lease.items) = item->next;
  if (item->next != nullptr) item->next->previous = item->previous;
  --lease.item_count;
}

void Lessor::detach(std::string_view key) {
  auto it = items_.find(key);
  if (it == items_.end()) return;
  Item* item = *it;
  items_.erase(it);
  unlink(item);
  Item::destroy(item);
}

LeaseId Lessor::lease_of(std::string_view key) const {
  auto it = items_.find(key);
  return it == items_.end() ? LeaseId(0) : (*it)->lease->id;
}

void Lessor::restore(const std::vector<LeaseRecord>& records) {
  clear();
  primary_ = false;
  leases_.reserve(records.size());
  for (const LeaseRecord& record : records) {
    auto lease = std::make_unique<Lease>();
    lease->id = record.id;
    lease->ttl = std::max(record.ttl, options_.ttl_min);
    lease->remaining_ttl = record.remaining_ttl;
    leases_[record.id.value] = std::move(lease);
  }
}

std::optional<LeaseStatus> Lessor::status(LeaseId id, env::Instant now) const {
  const Lease* lease = find(id);
  if (lease == nullptr) return std::nullopt;
  return LeaseStatus{.granted_ttl = lease->ttl,
                     .remaining_ttl = lease->remaining_ttl,
                     .remaining = primary_ ? lease->expiry - now : env::Duration::max()};
}

std::vector<std::string> Lessor::keys_of(LeaseId id) const {
  std::vector<std::string> keys;
  const Lease* lease = find(id);
  if (lease == nullptr) return keys;
  keys.reserve(lease->item_count);
  for (const Item* item = lease->items; item != nullptr; item = item->next)
    keys.emplace_back(item->key());
  std::sort(keys.begin(), keys.end());
  return keys;
}

size_t Lessor::key_count(LeaseId id) const {
  const Lease* lease = find(id);
  return lease == nullptr ? 0 : lease->item_count;
}

Lessor::Expiries Lessor::expiries() const {
  Expiries all;
  all.reserve(leases_.size());
  for (const auto& [id, lease] : leases_)
    all.emplace_back(primary_ ? lease->expiry : kForever, LeaseId(id));
  return all;
}

std::vector<LeaseId> Lessor::list_of(Expiries expiries) {
  std::sort(expiries.begin(), expiries.end());
  std::vector<LeaseId> ids;
  ids.reserve(expiries.size());
  for (const auto& [expiry, id] : expiries) ids.push_back(id);
  return ids;
}

bool Lessor::is_consistent() const {
  size_t listed = 0;
  for (const auto& [id, lease] : leases_) {
    if (lease->id.value != id) return false;
    size_t count = 0;
    const Item* previous = nullptr;
    for (const Item* item = lease->items; item != nullptr; item = item->next) {
      if (item->lease != lease.get() || item->previous != previous) return false;
      auto it = items_.find(item->key());
      if (it == items_.end() || *it != item) return false;
      previous = item;
      ++count;
    }
    if (count != lease->item_count) return false;
    listed += count;
    if (!primary_ && lease->place != kNotQueued) return false;
    if (primary_ && (lease->place >= queue_.size() || queue_[lease->place] != lease.get()))
      return false;
  }
  if (listed != items_.size()) return false;
  if (queue_.size() != (primary_ ? leases_.size() : 0)) return false;
  for (size_t i = 1; i < queue_.size(); ++i)
    if (queue_[i]->due < queue_[(i - 1) / 2]->due) return false;
  return true;
}

}  // namespace holdfast::lease
