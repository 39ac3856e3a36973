// etcdserverpb.Maintenance.
#include <utility>

#include "rpc.pb.h"
#include "rpc/rpc.h"
#include "rpc/snapshot_session.h"

namespace holdfast::rpc {

namespace pb = etcdserverpb;

void register_maintenance(net::GrpcServer& server, const Rpc& rpc) {
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
