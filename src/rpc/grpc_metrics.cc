#include "rpc/grpc_metrics.h"

#include "base/check.h"

namespace holdfast::rpc {

namespace {

// codes.Code's names in Go.
constexpr const char* kCodeNames[] = {
    "OK",       "Canceled",       "Unknown",          "InvalidArgument",   "DeadlineExceeded",
    "NotFound", "AlreadyExists",  "PermissionDenied", "ResourceExhausted", "FailedPrecondition",
    "Aborted",  "OutOfRange",     "Unimplemented",    "Internal",          "Unavailable",
    "DataLoss", "Unauthenticated"};

const char* type_name(net::MethodKind kind) {
  switch (kind) {
    case net::MethodKind::unary:
      return "unary";
    case net::MethodKind::server_stream:
      return "server_stream";
    case net::MethodKind::client_stream:
      return "client_stream";
    case net::MethodKind::bidi_stream:
      return "bidi_stream";
  }
  return "unary";
}

// prometheus.DefBuckets.
const std::vector<double> kDefaultBuckets = {.005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10};

}  // namespace

GrpcMetrics::GrpcMetrics(env::Metrics& metrics, Histograms histograms)
    : metrics_(metrics),
      histograms_(histograms),
      received_bytes_(metrics.counter("etcd_network_client_grpc_received_bytes_total",
                                      "The total number of bytes received from grpc clients.")),
      sent_bytes_(metrics.counter("etcd_network_client_grpc_sent_bytes_total",
                                  "The total number of bytes sent to grpc clients.")) {}

void GrpcMetrics::prepare(const net::GrpcServer& server) {
  methods_.resize(server.method_count());
  for (size_t i = 0; i < methods_.size(); ++i) {
    const net::MethodInfo& info = server.method_at(i);
    CHECK(info.index == i);
    const env::Labels labels = {{"grpc_type", type_name(info.kind)},
                                {"grpc_service", info.service},
                                {"grpc_method", info.name}};
    Method& method = methods_[i];
    method.started = &metrics_.counter("grpc_server_started_total",
                                       "Total number of RPCs started on the server.", labels);
    method.received =
        &metrics_.counter("grpc_server_msg_received_total",
                          "Total number of RPC stream messages received on the server.", labels);
    method.sent =
        &metrics_.counter("grpc_server_msg_sent_total",
                          "Total number of gRPC stream messages sent by the server.", labels);
    for (size_t code = 0; code < kCodes; ++code) {
      env::Labels with_code = labels;
      with_code.emplace_back("grpc_code", kCodeNames[code]);
      method.handled[code] = &metrics_.counter(
          "grpc_server_handled_total",
          "Total number of RPCs completed on the server, regardless of success or failure.",
          with_code);
    }
    if (histograms_ == Histograms::on)
      method.seconds = &metrics_.histogram("grpc_server_handling_seconds",
                                           "Histogram of response latency (seconds) of gRPC that "
                                           "had been application-level handled by "
                                           "the server.",
                                           kDefaultBuckets, labels);
  }
}

void GrpcMetrics::call_started(const net::MethodInfo& method) {
  methods_[method.index].started->increment();
}

void GrpcMetrics::message_received(const net::MethodInfo& method, size_t bytes) {
  methods_[method.index].received->increment();
  received_bytes_.add(static_cast<double>(bytes));
}

void GrpcMetrics::message_sent(const net::MethodInfo& method, size_t bytes) {
  methods_[method.index].sent->increment();
  sent_bytes_.add(static_cast<double>(bytes));
}

void GrpcMetrics::call_handled(const net::Call& call, const net::CallSummary& summary) {
  const Method& method = methods_[call.method().index];
  const auto code = static_cast<size_t>(summary.code);
  method.handled[code < kCodes ? code : 2]->increment();
  if (method.seconds) method.seconds->observe(static_cast<double>(summary.duration.count()) / 1e9);
}

}  // namespace holdfast::rpc
