// etcdserverpb.Cluster, the part that changes nothing.
#include <utility>

#include "rpc.pb.h"
#include "rpc/rpc.h"

namespace holdfast::rpc {

namespace pb = etcdserverpb;

void register_cluster(net::GrpcServer& server, const Rpc& rpc) {
  register_unary<pb::MemberListRequest>(
      server, rpc, "/etcdserverpb.Cluster/MemberList", OnLearner::refused,
      [&rpc](net::UnaryCallRef call, auto request, const server::CallContext& context) {
        using Consistency = server::V3Server::Consistency;
        rpc.v3.member_list(context,
                           request->linearizable() ? Consistency::linearizable : Consistency::local,
                           rpc.replies.of_message<pb::MemberListResponse>(std::move(call)));
      });
}

}  // namespace holdfast::rpc
