// The gRPC side of the client port: all services with what they share. Wiring:
//
//   rpc::GrpcServices services({v3, cluster_services, leases, chores_executor, metrics, log}, options);
//   net::GrpcServer grpc(grpc_options, &services.observer());
//   services.register_all(grpc);
//   services.start();
//
// The parts outlive it; it outlives the GrpcServer's last call.
#pragma once

#include <memory>

#include "base/log.h"
#include "env/executor.h"
#include "env/metrics.h"
#include "net/grpc_server.h"
#include "rpc/call_gate.h"
#include "rpc/grpc_health.h"
#include "rpc/grpc_metrics.h"
#include "rpc/leader_monitor.h"
#include "rpc/replies.h"
#include "rpc/rpc.h"
#include "rpc/stream_failures.h"
#include "server/v3_server.h"

namespace holdfast::rpc {

class GrpcServices {
 public:
  struct Parts {
    server::V3Server& v3;
    server::ClusterServices cluster;
    server::LeaseRequests& leases;
    env::Executor& executor;  // for the look-out for a leader
    env::Metrics& metrics;
    Logger& log;
  };
  struct Options {
    env::Duration election_timeout = std::chrono::seconds(1);
    env::Duration warning_unary_request_duration = std::chrono::milliseconds(300);
    Histograms histograms = Histograms::off;
    HealthDuringDefragment during_defragment = HealthDuringDefragment::serving;
    Identify identify;  // empty: auth is off
  };
  GrpcServices(Parts parts, Options options);
  GrpcServices(const GrpcServices&) = delete;
  GrpcServices& operator=(const GrpcServices&) = delete;

  net::GrpcObserver& observer() { return metrics_; }
  // Every method of etcd's client port; once.
  void register_all(net::GrpcServer& server);
  void start() { leader_.start(); }
  GrpcHealth& health() { return health_; }
  // For further services (watch, auth, ...): register theirs first, then register_all().
  const Rpc& rpc() const { return rpc_; }

 private:
  GrpcMetrics metrics_;
  CallGate gate_;
  Replies replies_;
  LeaderMonitor leader_;
  GrpcHealth health_;
  const StreamFailures stream_failures_;
  const Rpc rpc_;
};

}  // namespace holdfast::rpc
