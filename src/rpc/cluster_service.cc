// etcdserverpb.Cluster. Headers hold no revision (GEN-06).
#include <utility>

#include "rpc.pb.h"
#include "rpc/rpc.h"
#include "server/response_header.h"

namespace holdfast::rpc {

namespace pb = etcdserverpb;
using server::MembershipChanges;

namespace {

template <class Response>
auto answer_with_members(const Rpc& rpc, net::UnaryCallRef call) {
  return [&rpc, call = std::move(call)](absl::StatusOr<MembershipChanges::Members> members) {
    if (!members.ok()) return rpc.replies.answer(*call, members.status());
    Response response;
    server::fill_identity(*response.mutable_header(), rpc.replies.member());
    for (const membership::Member& member : *members)
      server::fill_member(*response.add_members(), member);
    rpc.replies.answer(*call, response.SerializeAsString());
  };
}

void register_add(net::GrpcServer& server, const Rpc& rpc) {
  register_unary<pb::MemberAddRequest>(
      server, rpc, "/etcdserverpb.Cluster/MemberAdd", OnLearner::refused,
      [&rpc](net::UnaryCallRef call, auto request, const server::CallContext& context) {
        const auto& urls = request->peerurls();
        rpc.cluster.membership.add(
            context, {urls.begin(), urls.end()},
            request->islearner() ? MembershipChanges::Role::learner : MembershipChanges::Role::voter,
            [&rpc, call = std::move(call)](absl::StatusOr<MembershipChanges::Added> added) {
              if (!added.ok()) return rpc.replies.answer(*call, added.status());
              pb::MemberAddResponse response;
              server::fill_identity(*response.mutable_header(), rpc.replies.member());
              server::fill_member(*response.mutable_member(), added->member);
              for (const membership::Member& member : added->members)
                server::fill_member(*response.add_members(), member);
              rpc.replies.answer(*call, response.SerializeAsString());
            });
      });
}

}  // namespace

void register_cluster(net::GrpcServer& server, const Rpc& rpc) {
  register_unary<pb::MemberListRequest>(
      server, rpc, "/etcdserverpb.Cluster/MemberList", OnLearner::refused,
      [&rpc](net::UnaryCallRef call, auto request, const server::CallContext& context) {
        using Consistency = server::V3Server::Consistency;
        rpc.v3.member_list(context,
                           request->linearizable() ? Consistency::linearizable : Consistency::local,
                           rpc.replies.of_message<pb::MemberListResponse>(std::move(call)));
      });
  register_add(server, rpc);
  register_unary<pb::MemberRemoveRequest>(
      server, rpc, "/etcdserverpb.Cluster/MemberRemove", OnLearner::refused,
      [&rpc](net::UnaryCallRef call, auto request, const server::CallContext& context) {
        rpc.cluster.membership.remove(
            context, MemberId(request->id()),
            answer_with_members<pb::MemberRemoveResponse>(rpc, std::move(call)));
      });
  register_unary<pb::MemberUpdateRequest>(
      server, rpc, "/etcdserverpb.Cluster/MemberUpdate", OnLearner::refused,
      [&rpc](net::UnaryCallRef call, auto request, const server::CallContext& context) {
        const auto& urls = request->peerurls();
        rpc.cluster.membership.update(
            context, MemberId(request->id()), {urls.begin(), urls.end()},
            answer_with_members<pb::MemberUpdateResponse>(rpc, std::move(call)));
      });
  register_unary<pb::MemberPromoteRequest>(
      server, rpc, "/etcdserverpb.Cluster/MemberPromote", OnLearner::refused,
      [&rpc](net::UnaryCallRef call, auto request, const server::CallContext& context) {
        std::string token(token_of(*call));
        rpc.cluster.membership.promote(
            context, MemberId(request->id()), std::move(token),
            answer_with_members<pb::MemberPromoteResponse>(rpc, std::move(call)));
      });
}

}  // namespace holdfast::rpc
