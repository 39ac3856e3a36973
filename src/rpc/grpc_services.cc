#include "rpc/grpc_services.h"

#include <utility>

namespace holdfast::rpc {

GrpcServices::GrpcServices(Parts parts, Options options)
    : metrics_(parts.metrics, options.histograms),
      gate_(parts.v3.member(), parts.metrics, std::move(options.identify)),
      replies_(parts.v3.member(), parts.log,
               {.warning_unary_request_duration = options.warning_unary_request_duration}),
      leader_(parts.v3.member(), parts.executor, options.election_timeout),
      stream_failures_(parts.metrics, parts.log),
      rpc_{parts.v3, parts.cluster, parts.leases, gate_, replies_, leader_, health_,
           options.during_defragment, stream_failures_} {}

void GrpcServices::register_all(net::GrpcServer& server) {
  register_kv(server, rpc_);
  register_lease(server, rpc_);
  register_cluster(server, rpc_);
  register_maintenance(server, rpc_);
  register_lock(server, rpc_);
  register_election(server, rpc_);
  register_health(server, rpc_);
  register_unbuilt(server);
  metrics_.prepare(server);
}

}  // namespace holdfast::rpc
