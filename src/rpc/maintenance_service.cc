// etcdserverpb.Maintenance.
#include <utility>

#include "base/errors.h"
#include "rpc.pb.h"
#include "rpc/rpc.h"
#include "rpc/snapshot_session.h"
#include "server/response_header.h"

namespace holdfast::rpc {

namespace pb = etcdserverpb;

namespace {

void register_move_leader(net::GrpcServer& server, const Rpc& rpc) {
  register_unary<pb::MoveLeaderRequest>(
      server, rpc, "/etcdserverpb.Maintenance/MoveLeader", OnLearner::refused,
      [&rpc](net::UnaryCallRef call, auto request, const server::CallContext& context) {
        rpc.cluster.transfer.move(context, MemberId(request->targetid()),
                                  [&rpc, call = std::move(call)](const absl::Status& status) {
                                    if (!status.ok()) return rpc.replies.answer(*call, status);
                                    rpc.replies.answer(*call, std::string());  // GEN-06: no header
                                  });
      });
}

void register_downgrade(net::GrpcServer& server, const Rpc& rpc) {
  register_unary<pb::DowngradeRequest>(
      server, rpc, "/etcdserverpb.Maintenance/Downgrade", OnLearner::refused,
      [&rpc](net::UnaryCallRef call, auto request, const server::CallContext& context) {
        auto answer = [&rpc, call = std::move(call)](absl::StatusOr<std::string> version) {
          if (!version.ok()) return rpc.replies.answer(*call, version.status());
          pb::DowngradeResponse response;
          server::fill_header(*response.mutable_header(), rpc.replies.member());
          response.set_version(*std::move(version));
          rpc.replies.answer(*call, response.SerializeAsString());
        };
        server::Downgrades& downgrades = rpc.cluster.downgrades;
        switch (request->action()) {
          case pb::DowngradeRequest::VALIDATE:
            return downgrades.validate(context, request->version(), std::move(answer));
          case pb::DowngradeRequest::ENABLE:
            return downgrades.enable(context, request->version(), std::move(answer));
          case pb::DowngradeRequest::CANCEL:
            return downgrades.cancel(context, std::move(answer));
          default:
            return answer(error(EtcdError::unknown_method));
        }
      });
}

}  // namespace

void register_maintenance(net::GrpcServer& server, const Rpc& rpc) {
  register_move_leader(server, rpc);
  register_downgrade(server, rpc);
  register_unary<pb::AlarmRequest>(
      server, rpc, "/etcdserverpb.Maintenance/Alarm", OnLearner::refused,
      [&rpc](net::UnaryCallRef call, auto request, const server::CallContext& context) {
        const std::string_view bytes = call->request();
        rpc.v3.alarm(context, *request, bytes,
                     rpc.replies.of_proposal<pb::AlarmResponse>(std::move(call)));
      });
  register_unary<pb::StatusRequest>(
      server, rpc, "/etcdserverpb.Maintenance/Status", OnLearner::served,
      [&rpc](net::UnaryCallRef call, auto, const server::CallContext& context) {
        rpc.replies.of_message<pb::StatusResponse>(std::move(call))(rpc.v3.status(context));
      });
  register_unary<pb::HashRequest>(
      server, rpc, "/etcdserverpb.Maintenance/Hash", OnLearner::refused,
      [&rpc](net::UnaryCallRef call, auto, const server::CallContext& context) {
        rpc.v3.hash(context, rpc.replies.of_message<pb::HashResponse>(std::move(call)));
      });
  register_unary<pb::HashKVRequest>(
      server, rpc, "/etcdserverpb.Maintenance/HashKV", OnLearner::refused,
      [&rpc](net::UnaryCallRef call, auto request, const server::CallContext& context) {
        rpc.v3.hash_kv(context, Revision(request->revision()),
                       rpc.replies.of_message<pb::HashKVResponse>(std::move(call)));
      });
  server.register_stream(
      "/etcdserverpb.Maintenance/Snapshot", net::MethodKind::server_stream,
      [&rpc](net::StreamCallRef call) { return open_snapshot(rpc, std::move(call)); });
  register_unary<pb::DefragmentRequest>(
      server, rpc, "/etcdserverpb.Maintenance/Defragment", OnLearner::refused,
      [&rpc](net::UnaryCallRef call, auto, const server::CallContext& context) {
        if (rpc.during_defragment == HealthDuringDefragment::not_serving)
          rpc.health.set(GrpcHealth::Serving::no);
        rpc.v3.defragment(context, [&rpc, call = std::move(call)](absl::Status status) {
          rpc.health.set(GrpcHealth::Serving::yes);
          if (!status.ok()) return rpc.replies.answer(*call, status);
          rpc.replies.answer(*call, std::string());  // GEN-06: no header
        });
      });
}

}  // namespace holdfast::rpc
