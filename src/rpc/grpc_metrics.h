// grpc_server_* and the byte counters, seen from the net layer (MET-34, MET-14). All series exist
// from the start and are found by index.
#pragma once

#include <array>
#include <vector>

#include "env/metrics.h"
#include "net/grpc_server.h"

namespace holdfast::rpc {

enum class Histograms : uint8_t { off, on };  // --metrics basic | extensive

class GrpcMetrics : public net::GrpcObserver {
 public:
  GrpcMetrics(env::Metrics& metrics, Histograms histograms);

  // When all methods are registered and before the first call.
  void prepare(const net::GrpcServer& server);

  void call_started(const net::MethodInfo& method) override;
  void message_received(const net::MethodInfo& method, size_t bytes) override;
  void message_sent(const net::MethodInfo& method, size_t bytes) override;
  void call_handled(const net::Call& call, const net::CallSummary& summary) override;

 private:
  static constexpr size_t kCodes = 17;
  struct Method {
    env::Counter* started;
    env::Counter* received;
    env::Counter* sent;
    std::array<env::Counter*, kCodes> handled;
    env::Histogram* seconds = nullptr;
  };

  env::Metrics& metrics_;
  const Histograms histograms_;
  env::Counter& received_bytes_;
  env::Counter& sent_bytes_;
  std::vector<Method> methods_;  // by MethodInfo::index; constant after prepare()
};

}  // namespace holdfast::rpc
