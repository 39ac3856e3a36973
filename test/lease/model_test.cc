// The lessor against one that looks at every lease each time.
#include <map>
#include <set>

#include "base/errors.h"
#include "base/random.h"
#include "gtest/gtest.h"
#include "lease/lessor.h"

namespace holdfast::lease {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

class Oracle {
 public:
  struct Lease {
    int64_t ttl = 0;
    int64_t remaining_ttl = 0;
    int64_t expiry = 0;
    int64_t given_out = -1;  // until when it isn't given out again
  };
  std::map<int64_t, Lease> leases;
  std::map<std::string, int64_t> keys;
  bool primary = false;
  int64_t retry = 0;

  void refresh(Lease& lease, int64_t extend, int64_t now) {
    lease.expiry = now + extend + 1'000'000'000 * (lease.remaining_ttl > 0 ? lease.remaining_ttl : lease.ttl);
  }
  std::set<int64_t> expired(int64_t now) {
    std::set<int64_t> ids;
    if (!primary) return ids;
    for (auto& [id, lease] : leases) {
      if (lease.expiry > now || lease.given_out > now) continue;
      ids.insert(id);
      lease.given_out = now + retry;
    }
    return ids;
  }
  std::vector<std::string> keys_of(int64_t id) const {
    std::vector<std::string> found;
    for (const auto& [key, lease] : keys)
      if (lease == id) found.push_back(key);
    return found;
  }
};

void run(uint64_t seed) {
  Random random(seed);
  const Options options{.ttl_min = 2, .expired_retry_interval = seconds(3)};
  Lessor lessor(options);
  Oracle oracle;
  oracle.retry = options.expired_retry_interval.count();
  int64_t now = 1'000'000'000;
  for (int step = 0; step < 4000; ++step) {
    now += static_cast<int64_t>(random.below(400)) * 1'000'000;
    const env::Instant at{now};
    const int64_t id = 1 + static_cast<int64_t>(random.below(40));
    const std::string key = "k" + std::to_string(random.below(60));
    const bool known = oracle.leases.contains(id);
    switch (random.below(10)) {
      case 0: {
        const int64_t ttl = static_cast<int64_t>(random.below(12));
        const bool granted = lessor.grant(LeaseId(id), ttl, at).ok();
        ASSERT_EQ(granted, !known);
        if (!granted) break;
        Oracle::Lease lease{.ttl = std::max<int64_t>(ttl, 2)};
        oracle.refresh(lease, 0, now);
        oracle.leases[id] = lease;
        break;
      }
      case 1:
        if (random.below(3) != 0) break;
        ASSERT_EQ(lessor.revoke(LeaseId(id)), known);
        oracle.leases.erase(id);
        std::erase_if(oracle.keys, [&](const auto& entry) { return entry.second == id; });
        break;
      case 2:
      case 3:
        ASSERT_EQ(lessor.attach(LeaseId(id), key), known);
        if (known) oracle.keys[key] = id;
        break;
      case 4:
        lessor.detach(key);
        oracle.keys.erase(key);
        break;
      case 5:
      case 6: {
        const auto renewal = lessor.renew(LeaseId(id), at);
        using Outcome = Lessor::RenewOutcome;
        if (!oracle.primary) {
          ASSERT_EQ(renewal.outcome, Outcome::not_primary);
        } else if (!known) {
          ASSERT_EQ(renewal.outcome, Outcome::not_found);
        } else if (oracle.leases[id].expiry <= now) {
          ASSERT_EQ(renewal.outcome, Outcome::expired);
        } else {
          ASSERT_EQ(renewal.outcome, Outcome::renewed);
          oracle.refresh(oracle.leases[id], 0, now);
        }
        break;
      }
      case 7: {
        const int64_t left = static_cast<int64_t>(random.below(5));
        ASSERT_EQ(lessor.checkpoint(LeaseId(id), left, at).has_value(), known);
        if (known) oracle.leases[id].remaining_ttl = left;
        break;
      }
      case 8: {
        std::set<int64_t> ids;
        for (LeaseId expired : lessor.expired(at, 1000)) ids.insert(expired.value);
        ASSERT_EQ(ids, oracle.expired(now)) << "seed " << seed << " step " << step;
        break;
      }
      default:
        if (random.below(20) != 0) break;
        oracle.primary = !oracle.primary;
        if (oracle.primary) {
          lessor.promote(seconds(1), at);
          for (auto& [other, lease] : oracle.leases) {
            oracle.refresh(lease, 1'000'000'000, now);
            lease.given_out = -1;
          }
        } else {
          lessor.demote();
        }
    }
    ASSERT_TRUE(lessor.is_consistent()) << "seed " << seed << " step " << step;
    ASSERT_EQ(lessor.keys_of(LeaseId(id)), oracle.keys_of(id));
    auto owner = oracle.keys.find(key);
    ASSERT_EQ(lessor.lease_of(key).value, owner == oracle.keys.end() ? 0 : owner->second);
    ASSERT_EQ(lessor.size(), oracle.leases.size());
  }
}

TEST(LessorModel, DoesWhatASlowOneDoes) {
  for (uint64_t seed = 1; seed <= 30; ++seed) {
    run(seed);
    if (HasFatalFailure()) return;
  }
}

}  // namespace
}  // namespace holdfast::lease
