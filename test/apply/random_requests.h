// KV requests that are valid by apply/checks.h, over few keys, so that they meet each other.
#pragma once

#include <string>

#include "apply/checks.h"
#include "base/random.h"
#include "raft_internal.pb.h"

namespace holdfast::apply {

class RandomRequests {
 public:
  enum class Leases : uint8_t { short_lived, long_lived };  // those that no test outlives
  explicit RandomRequests(uint64_t seed, Leases leases = Leases::short_lived) : random_(seed), leases_(leases) {}

  // `revision` and `compacted`: of the store, so that revisions asked for are near them.
  etcdserverpb::InternalRaftRequest next(int64_t revision, int64_t compacted) {
    revision_ = revision;
    compacted_ = compacted;
    etcdserverpb::InternalRaftRequest request;
    const uint64_t what = random_.below(100);
    if (what < 35)
      fill(*request.mutable_put());
    else if (what < 50)
      fill(*request.mutable_delete_range());
    else if (what < 65)
      fill(*request.mutable_range());
    else if (what < 90)
      fill_valid(*request.mutable_txn());
    else if (what < 93)
      request.mutable_compaction()->set_revision(near_revision());
    else if (what < 97)
      fill(*request.mutable_lease_grant());
    else
      request.mutable_lease_revoke()->set_id(lease());
    return request;
  }

  // A put that changes the store.
  etcdserverpb::InternalRaftRequest next_put() {
    etcdserverpb::InternalRaftRequest request;
    request.mutable_put()->set_key(key());
    request.mutable_put()->set_value("v" + std::to_string(random_.between(0, 20)));
    return request;
  }

  Random& random() { return random_; }

 private:
  static constexpr int kKeys = 9;
  static constexpr int kLeases = 4;

  std::string key() { return std::string(1, static_cast<char>('a' + random_.between(0, kKeys))); }
  int64_t lease() { return random_.between(1, kLeases); }
  // Mostly a single key; sometimes a range, an empty one, or all keys from here on.
  std::string end() {
    switch (random_.between(0, 5)) {
      case 0: return key();
      case 1: return std::string(1, '\0');
      default: return "";
    }
  }
  int64_t near_revision() { return random_.between(std::max<int64_t>(compacted_ - 2, 0), revision_ + 1); }

  void fill(etcdserverpb::PutRequest& put) {
    put.set_key(key());
    put.set_prev_kv(random_.chance(1, 2));
    put.set_ignore_value(random_.chance(1, 8));
    put.set_ignore_lease(random_.chance(1, 8));
    if (!put.ignore_value()) put.set_value("v" + std::to_string(random_.between(0, 20)));
    if (!put.ignore_lease() && random_.chance(1, 3)) put.set_lease(lease());
  }
  void fill(etcdserverpb::DeleteRangeRequest& range) {
    range.set_key(key());
    range.set_range_end(end());
    range.set_prev_kv(random_.chance(1, 2));
  }
  void fill(etcdserverpb::RangeRequest& range) {
    using R = etcdserverpb::RangeRequest;
    range.set_key(key());
    range.set_range_end(random_.chance(1, 2) ? std::string(1, '\0') : end());
    if (random_.chance(1, 3)) range.set_revision(near_revision());
    if (random_.chance(1, 3)) range.set_limit(random_.between(-1, 5));
    if (random_.chance(1, 3)) range.set_sort_order(static_cast<R::SortOrder>(random_.between(0, 2)));
    if (random_.chance(1, 3)) range.set_sort_target(static_cast<R::SortTarget>(random_.between(0, 4)));
    range.set_keys_only(random_.chance(1, 4));
    range.set_count_only(random_.chance(1, 6));
    if (random_.chance(1, 6)) range.set_min_mod_revision(near_revision());
    if (random_.chance(1, 6)) range.set_max_mod_revision(near_revision());
    if (random_.chance(1, 6)) range.set_min_create_revision(near_revision());
    if (random_.chance(1, 6)) range.set_max_create_revision(near_revision());
  }
  void fill(etcdserverpb::Compare& compare) {
    using C = etcdserverpb::Compare;
    compare.set_key(key());
    compare.set_range_end(end());
    compare.set_result(static_cast<C::CompareResult>(random_.between(0, 3)));
    compare.set_target(static_cast<C::CompareTarget>(random_.between(0, 4)));
    switch (compare.target()) {
      case C::VERSION: compare.set_version(random_.between(0, 3)); break;
      case C::CREATE: compare.set_create_revision(random_.chance(1, 2) ? 0 : near_revision()); break;
      case C::MOD: compare.set_mod_revision(near_revision()); break;
      case C::LEASE: compare.set_lease(random_.chance(1, 2) ? 0 : lease()); break;
      default: compare.set_value("v" + std::to_string(random_.between(0, 20)));
    }
  }
  void fill(etcdserverpb::TxnRequest& txn, int depth) {
    for (int64_t n = random_.between(0, 3); n > 0; --n) fill(*txn.add_compare());
    for (auto* branch : {txn.mutable_success(), txn.mutable_failure()}) {
      for (int64_t n = random_.between(0, 4); n > 0; --n) {
        etcdserverpb::RequestOp& operation = *branch->Add();
        const int64_t what = random_.between(0, 10);
        if (what < 4)
          fill(*operation.mutable_request_put());
        else if (what < 6)
          fill(*operation.mutable_request_delete_range());
        else if (what < 8 || depth == 0)
          fill(*operation.mutable_request_range());
        else
          fill(*operation.mutable_request_txn(), depth - 1);
      }
    }
  }
  void fill_valid(etcdserverpb::TxnRequest& txn) {
    do {
      txn.Clear();
      fill(txn, 2);
    } while (!check_txn_request(txn, 128).ok());
  }
  void fill(etcdserverpb::LeaseGrantRequest& grant) {
    grant.set_id(lease());
    grant.set_ttl(leases_ == Leases::long_lived ? 1'000'000 : random_.between(10, 100));
  }

  Random random_;
  Leases leases_;
  int64_t revision_ = 1;
  int64_t compacted_ = -1;
};

}  // namespace holdfast::apply
