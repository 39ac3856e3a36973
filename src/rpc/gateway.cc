#include "rpc/gateway.h"

#include <utility>

#include "base/check.h"
#include "base/errors.h"
#include "fmt/format.h"
#include "google/protobuf/descriptor.h"
#include "rpc.pb.h"
#include "rpc/gateway_calls.h"
#include "rpc/gateway_metadata.h"
#include "rpc/gateway_routes.h"
#include "rpc/websocket.h"
#include "v3election.pb.h"
#include "v3lock.pb.h"

namespace holdfast::rpc {

namespace {

absl::Status routing_error(int status) {
  if (status == 405) return make_status(absl::StatusCode::kUnimplemented, "Method Not Allowed");
  return make_status(absl::StatusCode::kNotFound, "Not Found");
}

bool wants_websocket(const net::HttpRequest& request) {
  return request.version == 11 && has_token(request.field("connection").value_or(""), "upgrade") &&
         has_token(request.field("upgrade").value_or(""), "websocket");
}

}  // namespace

Gateway::Gateway(const net::GrpcServer& server, Logger& log, Options options)
    : server_(server), log_(log), options_(options) {
  // Descriptors are found by name once their file is linked in and known.
  (void)etcdserverpb::PutRequest::descriptor();
  (void)v3lockpb::LockRequest::descriptor();
  (void)v3electionpb::LeaderRequest::descriptor();
  for (const GatewayPath& path : kGatewayPaths)
    add(fmt::format("/v3/{}", path.path), path.service, path.method);
}

void Gateway::add(std::string path, std::string_view service, std::string_view method) {
  const auto* descriptor = google::protobuf::DescriptorPool::generated_pool()->FindMethodByName(
      fmt::format("{}.{}", service, method));
  CHECK(descriptor != nullptr, "no such method: {}.{}", service, method);
  const net::MethodKind kind = !descriptor->server_streaming() ? net::MethodKind::unary
                               : descriptor->client_streaming() ? net::MethodKind::bidi_stream
                                                                : net::MethodKind::server_stream;
  routes_.emplace(std::move(path), Route{fmt::format("/{}/{}", service, method), descriptor, kind});
}

const Gateway::Route* Gateway::find(std::string_view path) const {
  constexpr std::string_view kBeta = "/v3beta/";
  const auto it = path.starts_with(kBeta)
                      ? routes_.find(fmt::format("/v3/{}", path.substr(kBeta.size())))
                      : routes_.find(path);
  return it == routes_.end() ? nullptr : &it->second;
}

void Gateway::handle(const std::string& path, net::HttpExchangeRef exchange,
                     net::HttpFields common) const {
  const Route* route = find(path);
  const net::HttpRequest& request = exchange->request();
  if (wants_websocket(request))
    return open_websocket({server_, route, options_.max_json_bytes}, std::move(exchange),
                          std::move(common), log_);
  const int refused = route == nullptr ? 404 : request.method != "POST" ? 405 : 0;
  if (refused != 0) {
    auto out = make_http_out(exchange, std::move(common));
    return out->fail(routing_error(refused));
  }
  const GatewayTarget target{server_, route, options_.max_json_bytes};
  if (route->kind == net::MethodKind::unary)
    return call_unary(target, std::move(exchange), std::move(common));
  auto call = open_stream(target, exchange->executor(), exchange->request(), exchange->peer(), {},
                          make_http_out(exchange, std::move(common)));
  call->feed(exchange->request().body);
  call->end_of_input();
}

std::unique_ptr<net::HttpBodySink> Gateway::receive(const std::string& path,
                                                    const net::HttpExchangeRef& exchange,
                                                    net::HttpFields common) const {
  const Route* route = find(path);
  if (route == nullptr || route->kind != net::MethodKind::bidi_stream ||
      exchange->request().method != "POST")
    return nullptr;
  return receive_stream({server_, route, options_.max_json_bytes}, exchange, std::move(common));
}

}  // namespace holdfast::rpc
