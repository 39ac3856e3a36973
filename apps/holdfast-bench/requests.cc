#include "apps/holdfast-bench/requests.h"

#include "base/check.h"
#include "base/wire.h"
#include "rpc.pb.h"

namespace holdfast::bench {

namespace {

// Tags, lengths, a lease.
constexpr size_t kPutFramingBytes = 32;

// Not all the same byte: nothing on the way should profit from that.
std::string value_of(size_t bytes, uint64_t seed) {
  Random random(seed);
  std::string value(bytes, '\0');
  for (char& c : value) c = static_cast<char>('!' + random.below('~' - '!'));
  return value;
}

}  // namespace

std::string_view method_of(Operation operation) {
  switch (operation) {
    case Operation::put: return "/etcdserverpb.KV/Put";
    case Operation::range: return "/etcdserverpb.KV/Range";
    case Operation::txn_put: return "/etcdserverpb.KV/Txn";
    case Operation::health: return "/grpc.health.v1.Health/Check";
    case Operation::status: return "/etcdserverpb.Maintenance/Status";
    case Operation::watch: return "/etcdserverpb.Watch/Watch";
    case Operation::lease_grant: return "/etcdserverpb.Lease/LeaseGrant";
    case Operation::lease_keep_alive: return "/etcdserverpb.Lease/LeaseKeepAlive";
    case Operation::sync: break;
  }
  CHECK(false, "no method");
  return "";
}

Requests::Requests(const Options& options, uint64_t seed)
    : options_(options), value_(value_of(options.value_bytes, seed)), random_(seed) {}

std::string Requests::key(uint64_t n) const {
  constexpr std::string_view kPrefix = "bench/";
  const std::string digits = std::to_string(n);
  std::string key(kPrefix);
  if (key.size() + digits.size() < options_.key_bytes)
    key.append(options_.key_bytes - key.size() - digits.size(), '0');
  return key + digits;
}

std::string Requests::make(uint64_t n) {
  const uint64_t which =
      options_.order == KeyOrder::sequential ? n % options_.key_space : random_.below(options_.key_space);
  switch (options_.operation) {
    case Operation::put: {
      // etcdserverpb.PutRequest, by hand: a load of puts is to cost little.
      std::string put;
      put.reserve(options_.key_bytes + value_.size() + kPutFramingBytes);
      wire::Writer writer(put);
      writer.put_bytes(1, key(which));
      writer.put_bytes(2, value_);
      if (options_.attach) writer.put_int64(3, static_cast<int64_t>(which) + 1);
      return put;
    }
    case Operation::txn_put: {
      etcdserverpb::TxnRequest txn;
      auto* put = txn.add_success()->mutable_request_put();
      put->set_key(key(which));
      put->set_value(value_);
      return txn.SerializeAsString();
    }
    case Operation::range: {
      etcdserverpb::RangeRequest range;
      range.set_key(key(which));
      range.set_serializable(options_.consistency == Consistency::serializable);
      return range.SerializeAsString();
    }
    case Operation::lease_grant: {
      etcdserverpb::LeaseGrantRequest grant;
      grant.set_ttl(options_.ttl_seconds);
      if (options_.order == KeyOrder::sequential) grant.set_id(static_cast<int64_t>(n) + 1);
      return grant.SerializeAsString();
    }
    case Operation::lease_keep_alive: {
      etcdserverpb::LeaseKeepAliveRequest keep;
      keep.set_id(static_cast<int64_t>(which) + 1);
      return keep.SerializeAsString();
    }
    case Operation::health:
    case Operation::status:
    case Operation::watch:
    case Operation::sync:
      break;
  }
  return {};
}

}  // namespace holdfast::bench
