// What the KV commands should answer, found the slow way: a list of everything that ever happened (mvcc::StoreOracle),
// and etcd's rules on top of it, written down once more as the parity rows tell them.
#pragma once

#include <algorithm>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "base/errors.h"
#include "rpc.pb.h"
#include "test/mvcc/store_oracle.h"

namespace holdfast::apply {

class KvOracle {
 public:
  template <class T>
  using Answer = absl::StatusOr<T>;
  using Pair = mvcc::KeyValue;

  mvcc::StoreOracle store;
  std::set<int64_t> leases;

  int64_t revision() const { return store.current; }

  Answer<etcdserverpb::RangeResponse> range(const etcdserverpb::RangeRequest& request) const {
    return range_at(request, store.current);
  }
  Answer<etcdserverpb::PutResponse> put(const etcdserverpb::PutRequest& request) {
    if (absl::Status status = check(request); !status.ok()) return status;
    begin();
    auto response = do_put(request);
    store.end();
    return response;
  }
  Answer<etcdserverpb::DeleteRangeResponse> erase(const etcdserverpb::DeleteRangeRequest& request) {
    begin();
    auto response = do_delete(request);
    store.end();
    return response;
  }
  Answer<etcdserverpb::TxnResponse> txn(const etcdserverpb::TxnRequest& request) {
    const etcdserverpb::TxnRequest path = decide(request);
    if (absl::Status status = check(path); !status.ok()) return status;
    begin();
    auto response = do_txn(path);
    response.mutable_header()->set_revision(seen());
    store.end();
    return response;
  }
  Answer<etcdserverpb::CompactionResponse> compact(const etcdserverpb::CompactionRequest& request) {
    if (request.revision() <= store.compacted) return error(EtcdError::compacted);
    if (request.revision() > store.current) return error(EtcdError::future_rev);
    store.compact(request.revision());
    etcdserverpb::CompactionResponse response;
    response.mutable_header()->set_revision(store.current);
    return response;
  }
  Answer<etcdserverpb::LeaseGrantResponse> grant(const etcdserverpb::LeaseGrantRequest& request) {
    if (!leases.insert(request.id()).second) return error(EtcdError::lease_exist);
    etcdserverpb::LeaseGrantResponse response;
    response.mutable_header()->set_revision(store.current);
    response.set_id(request.id());
    response.set_ttl(request.ttl());
    return response;
  }
  Answer<etcdserverpb::LeaseRevokeResponse> revoke(int64_t id) {
    if (leases.erase(id) == 0) return error(EtcdError::lease_not_found);
    begin();
    for (const Pair& pair : everything())
      if (pair.lease.value == id) changes_ += store.erase(pair.key, "");
    store.end();
    etcdserverpb::LeaseRevokeResponse response;
    response.mutable_header()->set_revision(store.current);
    return response;
  }

  std::vector<Pair> everything() const { return store.range(std::string(1, '\0'), kToTheEnd, store.current); }
  std::set<std::string> keys_of(int64_t lease) const {
    std::set<std::string> keys;
    for (const Pair& pair : everything())
      if (pair.lease.value == lease) keys.insert(pair.key);
    return keys;
  }

 private:
  static inline const std::string kToTheEnd = std::string(1, '\0');

  void begin() {
    changes_ = 0;
    store.begin();
  }
  // What the next operation of this transaction sees.
  int64_t seen() const { return store.current + (changes_ > 0 ? 1 : 0); }

  Answer<etcdserverpb::RangeResponse> range_at(const etcdserverpb::RangeRequest& request, int64_t current) const {
    using R = etcdserverpb::RangeRequest;
    if (request.revision() > current) return error(EtcdError::future_rev);
    const int64_t at = request.revision() <= 0 ? current : request.revision();
    if (at < store.compacted) return error(EtcdError::compacted);
    std::vector<Pair> pairs = store.range(request.key(), request.range_end(), at);
    etcdserverpb::RangeResponse response;
    response.mutable_header()->set_revision(current);
    response.set_count(static_cast<int64_t>(pairs.size()));
    if (request.count_only()) return response;

    const bool filtered = request.min_mod_revision() != 0 || request.max_mod_revision() != 0 ||
                          request.min_create_revision() != 0 || request.max_create_revision() != 0;
    const size_t limit = request.limit() > 0 ? static_cast<size_t>(request.limit()) : pairs.size();
    const bool cut_early = request.sort_order() == R::NONE && !filtered;
    if (cut_early && pairs.size() > limit + 1) pairs.resize(limit + 1);
    std::erase_if(pairs, [&](const Pair& pair) {
      const int64_t mod = pair.mod_revision.value, create = pair.create_revision.value;
      return (request.max_mod_revision() != 0 && mod > request.max_mod_revision()) ||
             (request.min_mod_revision() != 0 && mod < request.min_mod_revision()) ||
             (request.max_create_revision() != 0 && create > request.max_create_revision()) ||
             (request.min_create_revision() != 0 && create < request.min_create_revision());
    });
    sort(request, pairs);
    response.set_more(pairs.size() > limit);
    if (pairs.size() > limit) pairs.resize(limit);
    for (const Pair& pair : pairs) {
      mvccpb::KeyValue& kv = *response.add_kvs();
      fill(pair, kv);
      if (!request.keys_only()) continue;
      kv.clear_value();
      if (request.sort_target() != R::VALUE) kv.clear_lease();
    }
    return response;
  }

  static void sort(const etcdserverpb::RangeRequest& request, std::vector<Pair>& pairs) {
    using R = etcdserverpb::RangeRequest;
    const auto before = [&](const Pair& a, const Pair& b) {
      switch (request.sort_target()) {
        case R::KEY: return a.key < b.key;
        case R::VERSION: return a.version < b.version;
        case R::CREATE: return a.create_revision < b.create_revision;
        case R::MOD: return a.mod_revision < b.mod_revision;
        default: return a.value < b.value;
      }
    };
    if (request.sort_order() == R::DESCEND)
      std::stable_sort(pairs.begin(), pairs.end(), [&](const Pair& a, const Pair& b) { return before(b, a); });
    else
      std::stable_sort(pairs.begin(), pairs.end(), before);
  }

  static void fill(const Pair& pair, mvccpb::KeyValue& kv) {
    kv.set_key(pair.key);
    kv.set_value(pair.value);
    kv.set_create_revision(pair.create_revision.value);
    kv.set_mod_revision(pair.mod_revision.value);
    kv.set_version(pair.version);
    kv.set_lease(pair.lease.value);
  }

  // The compares answered: a txn whose `failure` is empty, and succeeded or not is told by whether it has one compare.
  etcdserverpb::TxnRequest decide(const etcdserverpb::TxnRequest& request) const {
    const bool succeeded =
        std::all_of(request.compare().begin(), request.compare().end(),
                    [&](const etcdserverpb::Compare& compare) { return holds(compare); });
    etcdserverpb::TxnRequest path;
    if (!succeeded) path.add_compare();
    for (const auto& operation : succeeded ? request.success() : request.failure()) {
      auto& taken = *path.add_success();
      taken = operation;
      if (operation.has_request_txn()) *taken.mutable_request_txn() = decide(operation.request_txn());
    }
    return path;
  }

  bool holds(const etcdserverpb::Compare& compare) const {
    std::vector<Pair> pairs = store.range(compare.key(), compare.range_end(), store.current);
    if (pairs.empty()) {
      if (compare.target() == etcdserverpb::Compare::VALUE) return false;
      pairs.emplace_back();
    }
    return std::all_of(pairs.begin(), pairs.end(), [&](const Pair& pair) { return holds(compare, pair); });
  }
  static bool holds(const etcdserverpb::Compare& compare, const Pair& pair) {
    using C = etcdserverpb::Compare;
    int order = 0;
    const auto against = [&](int64_t have, int64_t want) { order = have < want ? -1 : have > want ? 1 : 0; };
    switch (compare.target()) {
      case C::VERSION: against(pair.version, compare.version()); break;
      case C::CREATE: against(pair.create_revision.value, compare.create_revision()); break;
      case C::MOD: against(pair.mod_revision.value, compare.mod_revision()); break;
      case C::LEASE: against(pair.lease.value, compare.lease()); break;
      default: order = pair.value.compare(compare.value());
    }
    switch (compare.result()) {
      case C::EQUAL: return order == 0;
      case C::GREATER: return order > 0;
      case C::LESS: return order < 0;
      default: return order != 0;
    }
  }

  absl::Status check(const etcdserverpb::PutRequest& put) const {
    if (put.lease() != 0 && !leases.contains(put.lease())) return error(EtcdError::lease_not_found);
    if ((put.ignore_value() || put.ignore_lease()) && !store.get(put.key(), store.current))
      return error(EtcdError::key_not_found);
    return absl::OkStatus();
  }
  absl::Status check(const etcdserverpb::TxnRequest& path) const {
    for (const auto& operation : path.success()) {
      absl::Status status;
      if (operation.has_request_range()) {
        const int64_t at = operation.request_range().revision();
        if (at > store.current) status = error(EtcdError::future_rev);
        if (at != 0 && at < store.compacted) status = error(EtcdError::compacted);
      }
      if (operation.has_request_put()) status = check(operation.request_put());
      if (operation.has_request_txn()) status = check(operation.request_txn());
      if (!status.ok()) return status;
    }
    return absl::OkStatus();
  }

  etcdserverpb::PutResponse do_put(const etcdserverpb::PutRequest& request) {
    etcdserverpb::PutResponse response;
    const std::optional<Pair> previous = store.get(request.key(), seen());
    if (request.prev_kv() && previous) fill(*previous, *response.mutable_prev_kv());
    std::string value = request.value();
    LeaseId lease(request.lease());
    if (request.ignore_value()) value = previous ? previous->value : "";
    if (request.ignore_lease()) lease = previous ? previous->lease : LeaseId(0);
    store.put(request.key(), value, lease);
    ++changes_;
    response.mutable_header()->set_revision(store.current + 1);
    return response;
  }
  etcdserverpb::DeleteRangeResponse do_delete(const etcdserverpb::DeleteRangeRequest& request) {
    etcdserverpb::DeleteRangeResponse response;
    if (request.prev_kv())
      for (const Pair& pair : store.range(request.key(), request.range_end(), seen()))
        fill(pair, *response.add_prev_kvs());
    response.set_deleted(store.erase(request.key(), request.range_end()));
    changes_ += response.deleted();
    response.mutable_header()->set_revision(seen());
    return response;
  }
  etcdserverpb::TxnResponse do_txn(const etcdserverpb::TxnRequest& path) {
    etcdserverpb::TxnResponse response;
    response.mutable_header();
    response.set_succeeded(path.compare().empty());
    for (const auto& operation : path.success()) {
      auto& answer = *response.add_responses();
      if (operation.has_request_range())
        *answer.mutable_response_range() = range_at(operation.request_range(), seen()).value();
      if (operation.has_request_put()) *answer.mutable_response_put() = do_put(operation.request_put());
      if (operation.has_request_delete_range())
        *answer.mutable_response_delete_range() = do_delete(operation.request_delete_range());
      if (operation.has_request_txn()) *answer.mutable_response_txn() = do_txn(operation.request_txn());
    }
    return response;
  }

  int64_t changes_ = 0;
};

}  // namespace holdfast::apply
