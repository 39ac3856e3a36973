// What the store needs of the lessor (etcd lease.Lessor: Attach, Detach, GetLease). Called on the
// apply owner's executor only, inside a write transaction, and while a store is opened.
#pragma once

#include <string_view>

#include "base/types.h"

namespace holdfast::mvcc {

class LeaseAttacher {
 public:
  virtual ~LeaseAttacher() = default;
  // `key` now hangs on `lease`. A lease that is unknown is the caller's mistake in a put (it checks
  // before, KV-21); while a store is opened it is logged and passed over.
  virtual void attach(LeaseId lease, std::string_view key) = 0;
  virtual void detach(LeaseId lease, std::string_view key) = 0;
  // 0: none.
  virtual LeaseId lease_of(std::string_view key) const = 0;
};

// For stores without leases: remembers nothing.
class NoLeases : public LeaseAttacher {
 public:
  void attach(LeaseId, std::string_view) override {}
  void detach(LeaseId, std::string_view) override {}
  LeaseId lease_of(std::string_view) const override { return LeaseId(0); }
};

}  // namespace holdfast::mvcc
