// The HTTP side of a client port or of a metrics port (HTTP-04..14): who may ask (host whitelist,
// CORS), and the end points that are not the JSON gateway's.
#pragma once

#include <functional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "base/log.h"
#include "env/metrics.h"
#include "net/http.h"
#include "rpc/gateway.h"
#include "rpc/health_endpoints.h"
#include "rpc/http_replies.h"
#include "server/v3_server.h"

namespace holdfast::rpc {

class HttpEndpoints : public net::HttpHandler {
 public:
  // A JSON value for /debug/vars, made when asked for.
  struct DebugVar {
    std::string name;
    std::function<std::string()> json;
  };
  enum class Port : uint8_t {
    client,
    metrics  // --listen-metrics-urls: /metrics and health only, for anybody (HTTP-14)
  };
  struct Options {
    Port port = Port::client;
    // Empty or with "*": all (HTTP-11, HTTP-12).
    std::set<std::string, std::less<>> host_whitelist = {"*"};
    std::set<std::string, std::less<>> cors_origins = {"*"};
    HealthEndpoints::Options health;
  };
  struct Parts {
    server::V3Server& v3;
    env::Metrics& metrics;
    Logger& log;
    std::function<std::string()> metrics_text;  // Prometheus text; called on I/O threads
    std::vector<DebugVar> debug_vars;           // besides raft.status
    const Gateway* gateway = nullptr;  // null: nothing is below /v3/ (404)
  };
  HttpEndpoints(Parts parts, Options options);

  void handle(net::HttpExchangeRef exchange) override;
  std::unique_ptr<net::HttpBodySink> receive(const net::HttpExchangeRef& exchange) override;

 private:
  bool host_is_allowed(const net::HttpExchange& exchange) const;
  net::HttpFields cors_fields(const net::HttpRequest& request) const;
  void route(const std::string& path, net::HttpExchangeRef exchange, net::HttpFields cors);
  void serve_version(const HttpReply& reply);
  void serve_metrics(const HttpReply& reply);
  void serve_debug_vars(const HttpReply& reply);

  Parts parts_;
  const Options options_;
  HealthEndpoints health_;
  env::Counter& scrapes_;
  env::Gauge& scrapes_in_flight_;
};

// The host of a Host field: without its port, or whole if it isn't host:port (Go's
// net.SplitHostPort).
std::string_view host_name(std::string_view host);

}  // namespace holdfast::rpc
