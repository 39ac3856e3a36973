// Who may do what, asked before a request enters consensus (etcd AuthAdmin, doSerialize; apply asks
// again for what goes through the log). The place of authentication in the request path; OpenAccess
// is what it says while auth is off. Thread-safe.
#pragma once

#include <cstdint>
#include <string_view>

#include "absl/status/status.h"
#include "server/request_path.h"

namespace etcdserverpb {
class TxnRequest;
}

namespace holdfast::server {

class AccessControl {
 public:
  virtual ~AccessControl() = default;
  virtual absl::Status require_user(const AuthInfo& who) const = 0;   // any authenticated user
  virtual absl::Status require_admin(const AuthInfo& who) const = 0;  // holder of the root role
  // READ on [key, end) (KV-14).
  virtual absl::Status may_range(const AuthInfo& who, std::string_view key,
                                 std::string_view end) const = 0;
  // WRITE on `key`: keeping a lease alive keeps its keys (LEA-09).
  virtual absl::Status may_put(const AuthInfo& who, std::string_view key) const = 0;
  virtual absl::Status may_txn(const AuthInfo& who, const etcdserverpb::TxnRequest& txn) const = 0;
  // Of the auth store, now: a read that began under another one fails with auth_old_revision.
  virtual uint64_t revision() const = 0;
};

class OpenAccess : public AccessControl {
 public:
  absl::Status require_user(const AuthInfo&) const override { return absl::OkStatus(); }
  absl::Status require_admin(const AuthInfo&) const override { return absl::OkStatus(); }
  absl::Status may_range(const AuthInfo&, std::string_view, std::string_view) const override {
    return absl::OkStatus();
  }
  absl::Status may_put(const AuthInfo&, std::string_view) const override {
    return absl::OkStatus();
  }
  absl::Status may_txn(const AuthInfo&, const etcdserverpb::TxnRequest&) const override {
    return absl::OkStatus();
  }
  uint64_t revision() const override { return 0; }
};

}  // namespace holdfast::server
