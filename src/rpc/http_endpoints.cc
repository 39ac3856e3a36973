#include "rpc/http_endpoints.h"

#include <algorithm>

#include "base/go_text.h"
#include "fmt/format.h"
#include "membership/cluster.h"
#include "net/grpc_request_head.h"
#include "rpc/gzip.h"
#include "rpc/http_redirect.h"

namespace holdfast::rpc {

namespace {

// As etcd tells it (HTTP-11).
std::string unrecognized_host(std::string_view host) {
  return fmt::format(R"(
etcd received your request, but the Host header was unrecognized.

To fix this, choose one of the following options:
- Enable TLS, then any HTTPS request will be allowed.
- Add the hostname you want to use to the whitelist in settings.
  - e.g. etcd --host-whitelist {}

This requirement has been added to help prevent "DNS Rebinding" attacks (CVE-2018-5702).
)",
                     go_quote(host));
}

bool allows_all(const std::set<std::string, std::less<>>& names) {
  return names.empty() || names.contains("*");
}

}  // namespace

std::string_view host_name(std::string_view host) {
  const size_t colon = host.rfind(':');
  if (colon == std::string_view::npos) return host;
  if (host.front() == '[') {
    const size_t bracket = host.find(']');
    if (bracket == std::string_view::npos || bracket + 1 != colon) return host;
    return host.substr(1, bracket - 1);
  }
  const std::string_view name = host.substr(0, colon);
  if (name.find_first_of(":[]") != std::string_view::npos ||
      host.substr(colon).find_first_of("[]") != std::string_view::npos)
    return host;
  return name;
}

HttpEndpoints::HttpEndpoints(Parts parts, Options options)
    : parts_(std::move(parts)),
      options_(std::move(options)),
      health_(parts_.v3, parts_.metrics, parts_.log, options_.health),
      scrapes_(parts_.metrics.counter("promhttp_metric_handler_requests_total",
                                      "Total number of scrapes by HTTP status code.",
                                      {{"code", "200"}})),
      scrapes_in_flight_(parts_.metrics.gauge("promhttp_metric_handler_requests_in_flight",
                                              "Current number of scrapes being served.")) {
  for (const char* code : {"500", "503"})
    parts_.metrics.counter("promhttp_metric_handler_requests_total",
                           "Total number of scrapes by HTTP status code.", {{"code", code}});
  parts_.debug_vars.push_back(
      {"raft.status", [&v3 = parts_.v3] { return v3.member().raft_status_json(); }});
  std::sort(parts_.debug_vars.begin(), parts_.debug_vars.end(),
            [](const DebugVar& a, const DebugVar& b) { return a.name < b.name; });
}

bool HttpEndpoints::host_is_allowed(const net::HttpExchange& exchange) const {
  if (exchange.peer().tls || allows_all(options_.host_whitelist)) return true;
  return options_.host_whitelist.contains(host_name(exchange.request().field("host").value_or("")));
}

net::HttpFields HttpEndpoints::cors_fields(const net::HttpRequest& request) const {
  std::string origin = "*";
  if (!allows_all(options_.cors_origins)) {
    origin = std::string(request.field("origin").value_or(""));
    if (!options_.cors_origins.contains(origin)) return {};
  }
  return {{"Access-Control-Allow-Methods", "POST, GET, OPTIONS, PUT, DELETE"},
          {"Access-Control-Allow-Origin", origin},
          {"Access-Control-Allow-Headers", "accept, content-type, authorization"}};
}

void HttpEndpoints::handle(net::HttpExchangeRef exchange) {
  const net::HttpRequest& request = exchange->request();
  const auto path = decode_path(request.path());
  if (!path) return HttpReply(exchange, {}).error(400, "400 Bad Request");
  if (options_.port == Port::metrics) return route(*path, std::move(exchange), {});

  if (!host_is_allowed(*exchange)) {
    const std::string host(host_name(request.field("host").value_or("")));
    parts_.log.warn("rejecting HTTP request to prevent DNS rebinding attacks", {{"host", host}});
    return HttpReply(exchange, {}).error(421, unrecognized_host(host));
  }
  net::HttpFields cors = cors_fields(request);
  if (request.method == "OPTIONS") return HttpReply(exchange, std::move(cors)).respond(200, {}, "");
  route(*path, std::move(exchange), std::move(cors));
}

// Only the gateway's streams are read as they come; what they may not do, handle() will say when the body is there.
std::unique_ptr<net::HttpBodySink> HttpEndpoints::receive(const net::HttpExchangeRef& exchange) {
  if (options_.port != Port::client || parts_.gateway == nullptr) return nullptr;
  const auto path = decode_path(exchange->request().path());
  if (!path || !Gateway::is_gateway_path(*path) || !host_is_allowed(*exchange)) return nullptr;
  return parts_.gateway->receive(*path, exchange, cors_fields(exchange->request()));
}

void HttpEndpoints::route(const std::string& path, net::HttpExchangeRef exchange,
                          net::HttpFields cors) {
  const bool on_client_port = options_.port == Port::client;
  if (const auto clean = clean_target(exchange->request()))
    return redirect(HttpReply(std::move(exchange), std::move(cors)), *clean);
  if (on_client_port && parts_.gateway != nullptr && Gateway::is_gateway_path(path))
    return parts_.gateway->handle(path, std::move(exchange), std::move(cors));
  const HttpReply reply(std::move(exchange), std::move(cors));
  if (on_client_port)
    if (const auto refusal = net::refuse_malformed_grpc(reply.request()))
      return refusal->status == 405 ? reply.refuse_method("POST", refusal->text)
                                    : reply.error(refusal->status, refusal->text);
  // The mux knows what is below /v3/ as a folder.
  if (on_client_port && parts_.gateway != nullptr && path == "/v3") return redirect(reply, "/v3/");
  if (path == "/metrics") return serve_metrics(reply);
  if (health_.handle(path, reply)) return;
  if (on_client_port && path == "/version") return serve_version(reply);
  if (on_client_port && path == "/debug/vars") return serve_debug_vars(reply);
  reply.not_found();
}

void HttpEndpoints::serve_version(const HttpReply& reply) {
  if (!reply.require_method("GET")) return;
  const auto version = parts_.v3.member().cluster()->version();
  const std::string cluster = version ? version->to_string() : "not_decided";
  const std::string storage = parts_.v3.member().storage_version();
  reply.respond(200, {{"Content-Type", "application/json"}},
                fmt::format(R"({{"etcdserver":"{}","etcdcluster":"{}","storage":"{}"}})",
                            server::kEtcdVersion, cluster, storage.empty() ? "unknown" : storage));
}

void HttpEndpoints::serve_metrics(const HttpReply& reply) {
  scrapes_in_flight_.add(1);
  std::string text = parts_.metrics_text ? parts_.metrics_text() : std::string();
  scrapes_in_flight_.add(-1);
  scrapes_.increment();
  net::HttpFields fields = {{"Content-Type", "text/plain; version=0.0.4; charset=utf-8; escaping=underscores"}};
  if (accepts_gzip(reply.request().field("accept-encoding").value_or(""))) {
    fields.emplace_back("Content-Encoding", "gzip");
    text = gzip(text);
  }
  reply.respond(200, std::move(fields), std::move(text));
}

void HttpEndpoints::serve_debug_vars(const HttpReply& reply) {
  if (!reply.require_method("GET")) return;
  std::string body = "{\n";
  bool first = true;
  for (const DebugVar& var : parts_.debug_vars) {
    if (!first) body += ",\n";
    first = false;
    body += go_quote(var.name) + ": " + var.json();
  }
  body += "\n}\n";
  reply.respond(200, {{"Content-Type", "application/json; charset=utf-8"}}, std::move(body));
}

}  // namespace holdfast::rpc
