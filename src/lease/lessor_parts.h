// The inner structures of Lessor. Private to lease/.
#pragma once

#include <cstring>
#include <limits>
#include <new>

#include "absl/hash/hash.h"
#include "lease/lessor.h"

namespace holdfast::lease {

inline constexpr env::Instant kForever{std::numeric_limits<int64_t>::max()};
inline constexpr uint32_t kNotQueued = std::numeric_limits<uint32_t>::max();

// A key that hangs on a lease: one allocation that holds the only copy of the key's bytes here, in a list of its lease's
// and in the table of all.
struct Lessor::Item {
  Item* previous = nullptr;
  Item* next = nullptr;
  Lease* lease = nullptr;
  uint32_t size = 0;

  std::string_view key() const { return {reinterpret_cast<const char*>(this + 1), size}; }

  static Item* make(std::string_view key) {
    void* room = ::operator new(sizeof(Item) + key.size());
    Item* item = new (room) Item;
    item->size = static_cast<uint32_t>(key.size());
    std::memcpy(reinterpret_cast<char*>(item + 1), key.data(), key.size());
    return item;
  }
  static void destroy(Item* item) { ::operator delete(item); }
};

struct Lessor::Lease {
  LeaseId id;
  int64_t ttl = 0;
  int64_t remaining_ttl = 0;  // 0: unset
  env::Instant expiry = kForever;
  // When expired() looks at it next. Not after expiry, but for a while after it was given out: renewing only moves
  // expiry, and the queue is put in order when the old time comes. Keep-alives are many, expiries few.
  env::Instant due = kForever;
  uint32_t place = kNotQueued;
  uint32_t item_count = 0;
  Item* items = nullptr;

  int64_t ttl_left() const { return remaining_ttl > 0 ? remaining_ttl : ttl; }
};

// `now` plus TTLs of up to 285 years may pass the end of the clock.
inline env::Instant saturated_add(env::Instant at, env::Duration by) {
  int64_t sum = 0;
  if (__builtin_add_overflow(at.nanoseconds, by.count(), &sum))
    sum = by.count() > 0 ? std::numeric_limits<int64_t>::max() - 1 : std::numeric_limits<int64_t>::min();
  return {sum};
}

inline env::Duration seconds(int64_t count) {
  int64_t product = 0;
  if (__builtin_mul_overflow(count, int64_t{1'000'000'000}, &product))
    product = count > 0 ? std::numeric_limits<int64_t>::max() : std::numeric_limits<int64_t>::min();
  return env::Duration(product);
}

}  // namespace holdfast::lease
