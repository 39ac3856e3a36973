// The JSON gateway: etcd's gRPC methods under /v3/... as grpc-gateway v2 maps them (parity 5.2), and their streams also
// over a websocket, as grpc-websocket-proxy does. A request is a call of the process's own GrpcServer (net::LocalCall):
// whatever is registered there is served here, with the same gates, limits and counters.
//
// Thread-safe after construction: called on all I/O threads.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <string_view>

#include "base/log.h"
#include "net/grpc_server.h"
#include "net/http.h"

namespace google::protobuf {
class MethodDescriptor;
}

namespace holdfast::rpc {

class Gateway {
 public:
  struct Options {
    // Of one message in JSON, where messages come in pieces; whole bodies are bounded by HttpOptions. Base64 makes three
    // bytes four.
    size_t max_json_bytes = 4 * 1024 * 1024;
  };
  // `server` gets its methods before the first request.
  Gateway(const net::GrpcServer& server, Logger& log, Options options);
  Gateway(const Gateway&) = delete;
  Gateway& operator=(const Gateway&) = delete;

  static bool is_gateway_path(std::string_view path) {
    return path.starts_with("/v3/") || path.starts_with("/v3beta/");  // GW-06
  }

  // A whole request below one of those; `path` is decoded, `common` are fields that every answer carries.
  void handle(const std::string& path, net::HttpExchangeRef exchange, net::HttpFields common) const;
  // One whose body follows: the sink if messages are to be taken as they come, else null.
  std::unique_ptr<net::HttpBodySink> receive(const std::string& path,
                                             const net::HttpExchangeRef& exchange,
                                             net::HttpFields common) const;

  // What a path stands for.
  struct Route {
    std::string grpc_path;  // "/etcdserverpb.KV/Put"
    const google::protobuf::MethodDescriptor* method;
    net::MethodKind kind;
  };
  const Route* find(std::string_view path) const;
  size_t route_count() const { return routes_.size(); }

 private:
  void add(std::string path, std::string_view service, std::string_view method);

  const net::GrpcServer& server_;
  Logger& log_;
  const Options options_;
  std::map<std::string, Route, std::less<>> routes_;
};

}  // namespace holdfast::rpc
