// What every call passes before its method runs (etcd v3rpc/interceptor.go), and the context the
// method runs in. The capability gate (GEN-07) has nothing to say here: the v3 API is on in every
// cluster version a member can be in.
#pragma once

#include <functional>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "env/metrics.h"
#include "net/grpc_call.h"
#include "rpc/client_versions.h"
#include "server/member_info.h"
#include "server/request_path.h"

namespace holdfast::rpc {

// Whether a learner answers the call (GEN-08).
enum class OnLearner : uint8_t { refused, served };

// Who makes the call, from its token (GEN-11) or certificate: an error of base/errors.h for a token
// nobody knows. Called on I/O threads.
using Identify = std::function<absl::StatusOr<server::AuthInfo>(const net::Call&)>;

// GEN-11: metadata "token", else "authorization" without its "Bearer "; empty if there is none.
std::string_view token_of(const net::Call& call);

// Thread-safe.
class CallGate {
 public:
  // `identify` may be empty: nobody is anybody (auth off).
  CallGate(const server::MemberInfo& member, env::Metrics& metrics, Identify identify);

  absl::Status admit(const net::UnaryCall& call, OnLearner on_learner) {
    return admit(call, on_learner, unary_);
  }
  absl::Status admit(const net::StreamCall& call, OnLearner on_learner) {
    return admit(call, on_learner, stream_);
  }
  absl::StatusOr<server::CallContext> context(const net::Call& call) const;

  // GEN-09.
  static bool requires_leader(const net::Call& call);

 private:
  absl::Status admit(const net::Call& call, OnLearner on_learner, ClientVersions& versions);

  const server::MemberInfo& member_;
  const Identify identify_;
  ClientVersions unary_;
  ClientVersions stream_;
};

}  // namespace holdfast::rpc
