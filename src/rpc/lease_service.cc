// etcdserverpb.Lease.
#include <utility>

#include "base/errors.h"
#include "rpc.pb.h"
#include "rpc/lease_keep_alive.h"
#include "rpc/rpc.h"

namespace holdfast::rpc {

namespace pb = etcdserverpb;

namespace {

void answer_time_to_live(const Rpc& rpc, net::UnaryCall& call, int64_t id,
                         absl::StatusOr<server::LeaseInfo> info) {
  pb::LeaseTimeToLiveResponse response;
  response.set_id(id);
  if (info.ok()) {
    response.set_ttl(info->ttl);
    response.set_grantedttl(info->granted_ttl);
    for (std::string& key : info->keys) response.add_keys(std::move(key));
  } else if (is(info.status(), EtcdError::lease_not_found)) {
    response.set_ttl(-1);  // TRP-26: no error
  } else {
    return rpc.replies.answer(call, info.status());
  }
  server::fill_header(*response.mutable_header(), rpc.replies.member());
  rpc.replies.answer(call, response.SerializeAsString());
}

void answer_leases(const Rpc& rpc, net::UnaryCall& call,
                   const absl::StatusOr<std::vector<LeaseId>>& leases) {
  if (!leases.ok()) return rpc.replies.answer(call, leases.status());
  pb::LeaseLeasesResponse response;
  server::fill_header(*response.mutable_header(), rpc.replies.member());
  for (const LeaseId lease : *leases) response.add_leases()->set_id(lease.value);
  rpc.replies.answer(call, response.SerializeAsString());
}

}  // namespace

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
  server.register_stream("/etcdserverpb.Lease/LeaseKeepAlive", net::MethodKind::bidi_stream,
                         [&rpc](net::StreamCallRef call) -> std::unique_ptr<net::StreamSession> {
                           return open_lease_keep_alive(rpc, std::move(call));
                         });
  register_unary<pb::LeaseTimeToLiveRequest>(
      server, rpc, "/etcdserverpb.Lease/LeaseTimeToLive", OnLearner::refused,
      [&rpc](net::UnaryCallRef call, auto request, const server::CallContext& context) {
        const int64_t id = request->id();
        rpc.leases.time_to_live(
            context, LeaseId(id),
            request->keys() ? server::LeaseKeys::included : server::LeaseKeys::left_out,
            [&rpc, id, call = std::move(call)](absl::StatusOr<server::LeaseInfo> info) {
              answer_time_to_live(rpc, *call, id, std::move(info));
            });
      });
  register_unary<pb::LeaseLeasesRequest>(
      server, rpc, "/etcdserverpb.Lease/LeaseLeases", OnLearner::refused,
      [&rpc](net::UnaryCallRef call, auto, const server::CallContext& context) {
        answer_leases(rpc, *call, rpc.leases.list(context));
      });
}

}  // namespace holdfast::rpc
