// etcdserverpb.Lease, the part that goes through the log.
#include <utility>

#include "rpc.pb.h"
#include "rpc/rpc.h"

namespace holdfast::rpc {

namespace pb = etcdserverpb;

void register_lease(net::GrpcServer& server, const Rpc& rpc) {
  register_unary<pb::LeaseGrantRequest>(
      server, rpc, "/etcdserverpb.Lease/LeaseGrant", OnLearner::refused,
      [&rpc](net::UnaryCallRef call, auto request, const server::CallContext& context) {
        const std::string_view bytes = call->request();
        rpc.v3.lease_grant(context, *request, bytes,
                           rpc.replies.of_proposal<pb::LeaseGrantResponse>(std::move(call)));
      });
  register_unary<pb::LeaseRevokeRequest>(
      server, rpc, "/etcdserverpb.Lease/LeaseRevoke", OnLearner::refused,
      [&rpc](net::UnaryCallRef call, auto request, const server::CallContext& context) {
        const std::string_view bytes = call->request();
        rpc.v3.lease_revoke(context, *request, bytes,
                            rpc.replies.of_proposal<pb::LeaseRevokeResponse>(std::move(call)));
      });
}

}  // namespace holdfast::rpc
