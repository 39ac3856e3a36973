// Leases and what hangs on them (parity LEA-01..16; etcd server/lease). A state machine without clock, threads or I/O:
// the time is an argument, and what must be stored is given back as records.
//
// What is replicated (ids, TTLs, checkpoints, attached keys) is the same on every member. Expiry is not: only the
// *primary* (the leader's lessor) counts time, on its own monotonic clock; elsewhere a lease lives forever. An expired
// lease changes nothing here: its revocation comes through the log.
//
// Threading: none inside. Two kinds of caller share one Lessor under one lock (apply::GuardedLessor): the apply owner,
// which alone changes leases and keys, and the lease chores, which renew, promote, demote and ask. Since only the apply
// owner changes keys, lease_of() from there needs no lock.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/container/flat_hash_set.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/types.h"
#include "env/clock.h"
#include "lease/record.h"

namespace holdfast::lease {

// TTLs are in seconds.
inline constexpr int64_t kTtlMax = 9'000'000'000;  // LEA-02

struct Options {
  // Shorter TTLs are raised to it (LEA-02): ceil(1.5 * election timeout).
  int64_t ttl_min = 2;
  // Leases that may be revoked in a second; expiries are spread so that a promotion doesn't make them all fall due at
  // once (LEA-13), and expired() gives out half of it, being asked twice a second (LEA-14).
  int revoke_rate = 1000;
  // An expired lease is given out again after this if it is still there.
  env::Duration expired_retry_interval = std::chrono::seconds(3);
  // LEA-15, gate LeaseCheckpoint.
  bool checkpoints = false;
  env::Duration checkpoint_interval = std::chrono::minutes(5);
};

struct Checkpoint {
  LeaseId id;
  int64_t remaining_ttl = 0;
  bool operator==(const Checkpoint&) const = default;
};

// How a lease stands, for TimeToLive (LEA-11).
struct LeaseStatus {
  int64_t granted_ttl = 0;
  int64_t remaining_ttl = 0;   // the checkpoint's; 0: none
  env::Duration remaining{0};  // until it expires; negative if it has; Duration::max() if not primary
  // Whole seconds, rounded towards zero as Go does.
  int64_t remaining_seconds() const {
    return std::chrono::duration_cast<std::chrono::seconds>(remaining).count();
  }
};

class Lessor {
 public:
  explicit Lessor(Options options);
  ~Lessor();
  Lessor(const Lessor&) = delete;
  Lessor& operator=(const Lessor&) = delete;

  // --- replicated changes: the apply owner ---

  // A record to store. Errors: lease_not_found (id 0), lease_ttl_too_large, lease_exist. Any id but 0 is accepted.
  // `now` matters on the primary only.
  absl::StatusOr<LeaseRecord> grant(LeaseId id, int64_t ttl, env::Instant now);

  // Takes the lease away. Its keys must be deleted from the store *before*, which detaches them; keys_of() says which,
  // in order (LEA-04). False if there is no such lease.
  bool revoke(LeaseId id);

  // LEA-15. The record to store; nothing if there is no such lease.
  std::optional<LeaseRecord> checkpoint(LeaseId id, int64_t remaining_ttl, env::Instant now);

  // A key hangs on one lease at most: attaching detaches it from another. False, and nothing is changed, if there is no
  // such lease.
  bool attach(LeaseId id, std::string_view key);
  void detach(std::string_view key);
  LeaseId lease_of(std::string_view key) const;  // 0: none

  // Forgets everything and takes over the stored leases, without keys, as not primary: TTLs below the minimum are
  // raised, time begins when promoted (LEA-16).
  void restore(const std::vector<LeaseRecord>& records);

  // --- time ---

  // LEA-13. Gives every lease its remaining or whole TTL anew, plus `extend` (the election timeout).
  void promote(env::Duration extend, env::Instant now);
  void demote();
  bool is_primary() const { return primary_; }

  enum class RenewOutcome : uint8_t {
    renewed,
    not_primary,
    not_found,
    // LEA-08: it may be on its way to be revoked. Ask again when it is revoked or this lessor is demoted.
    expired,
    // LEA-08: a checkpoint of it must first be reset to 0 through the log; then renew_after_checkpoint().
    checkpointed
  };
  struct Renewal {
    RenewOutcome outcome = RenewOutcome::not_found;
    int64_t ttl = 0;  // granted, if renewed
  };
  Renewal renew(LeaseId id, env::Instant now);
  // Whatever its expiry and checkpoint.
  Renewal renew_after_checkpoint(LeaseId id, env::Instant now);

  // LEA-14. At most `limit` leases (and revoke_rate / 2) whose time is up, the oldest first; each is given out again
  // after expired_retry_interval. None if not primary.
  std::vector<LeaseId> expired(env::Instant now, size_t limit);
  // LEA-15. Checkpoints to propose, at most `limit`; none if not primary or switched off.
  std::vector<Checkpoint> checkpoints_due(env::Instant now, size_t limit);

  // --- asking ---

  bool contains(LeaseId id) const { return leases_.contains(id.value); }
  size_t size() const { return leases_.size(); }
  std::optional<LeaseStatus> status(LeaseId id, env::Instant now) const;
  // Sorted; empty if there is no such lease.
  std::vector<std::string> keys_of(LeaseId id) const;
  size_t key_count(LeaseId id) const;
  // LEA-12: by expiry, then by id: what list_of() makes of expiries(), which alone needs the lessor.
  using Expiries = std::vector<std::pair<env::Instant, LeaseId>>;
  Expiries expiries() const;
  static std::vector<LeaseId> list_of(Expiries expiries);
  std::vector<LeaseId> list() const { return list_of(expiries()); }

  // Counts and order of the inner structures agree. For tests.
  bool is_consistent() const;

 private:
  struct Lease;
  struct Item;
  struct ItemHash {
    using is_transparent = void;
    size_t operator()(const Item* item) const;
    size_t operator()(std::string_view key) const;
  };
  struct ItemEqual {
    using is_transparent = void;
    bool operator()(const Item* a, const Item* b) const { return a == b; }
    bool operator()(const Item* a, std::string_view b) const;
    bool operator()(std::string_view a, const Item* b) const { return (*this)(b, a); }
  };
  struct ScheduledCheckpoint {
    env::Instant when;
    LeaseId id;
  };

  Lease* find(LeaseId id) const;
  void unlink(Item* item);
  void refresh(Lease& lease, env::Duration extend, env::Instant now);
  void schedule_checkpoint(const Lease& lease, env::Instant now);
  void spread_expiries(env::Duration extend, env::Instant now);
  void clear();

  // The queue: a binary heap by `due`, each lease knows its place.
  void queue_put(Lease& lease, env::Instant due);
  void queue_erase(Lease& lease);
  void sift_up(size_t place);
  void sift_down(size_t place);
  void place(Lease* lease, size_t at);

  const Options options_;
  bool primary_ = false;
  absl::flat_hash_map<int64_t, std::unique_ptr<Lease>> leases_;
  absl::flat_hash_set<Item*, ItemHash, ItemEqual> items_;
  std::vector<Lease*> queue_;  // of the primary
  std::vector<ScheduledCheckpoint> scheduled_;  // a heap, the next one first
};

}  // namespace holdfast::lease
