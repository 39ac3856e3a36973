// What the services share, and how a method is put into the table: parse, gate, context, then the
// method itself.
#pragma once

#include <memory>
#include <string_view>
#include <utility>

#include "net/grpc_server.h"
#include "rpc/call_gate.h"
#include "rpc/grpc_health.h"
#include "rpc/leader_monitor.h"
#include "rpc/replies.h"
#include "rpc/stream_failures.h"
#include "server/cluster_services.h"
#include "server/lease_requests.h"
#include "server/v3_server.h"

namespace holdfast::rpc {

// Feature gate StopGRPCServiceOnDefrag (MNT-05).
enum class HealthDuringDefragment : uint8_t { serving, not_serving };

struct Rpc {
  server::V3Server& v3;
  server::ClusterServices cluster;
  server::LeaseRequests& leases;
  CallGate& gate;
  const Replies& replies;
  LeaderMonitor& leader;
  GrpcHealth& health;
  HealthDuringDefragment during_defragment;
  const StreamFailures& stream_failures;
};

// `run(net::UnaryCallRef, std::unique_ptr<Request>, const server::CallContext&)` for each call that
// is let in. Like all handlers here it holds `rpc`, which outlives the server.
template <class Request, class Run>
void register_unary(net::GrpcServer& server, const Rpc& rpc, std::string_view path,
                    OnLearner on_learner, Run run) {
  server.register_unary(path, [&rpc, on_learner, run = std::move(run)](net::UnaryCallRef call) {
    auto request = std::make_unique<Request>();
    if (const std::string_view why = parse_request(call->request(), *request); !why.empty())
      return rpc.replies.refuse(*call, malformed_request(why));
    if (absl::Status status = rpc.gate.admit(*call, on_learner); !status.ok())
      return rpc.replies.refuse(*call, status);
    const auto context = rpc.gate.context(*call);
    if (!context.ok()) return rpc.replies.answer(*call, context.status());
    run(std::move(call), std::move(request), *context);
  });
}

void register_kv(net::GrpcServer& server, const Rpc& rpc);
void register_lease(net::GrpcServer& server, const Rpc& rpc);
void register_cluster(net::GrpcServer& server, const Rpc& rpc);
void register_maintenance(net::GrpcServer& server, const Rpc& rpc);
// Both call the server's other methods.
void register_lock(net::GrpcServer& server, const Rpc& rpc);
void register_election(net::GrpcServer& server, const Rpc& rpc);
void register_health(net::GrpcServer& server, const Rpc& rpc);
// Methods of etcd's services that are not built: UNIMPLEMENTED, by name. After the others; leaves
// what is there alone.
void register_unbuilt(net::GrpcServer& server);

}  // namespace holdfast::rpc
