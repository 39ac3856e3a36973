#include "peer/lease_endpoints.h"

#include <utility>

#include "base/errors.h"
#include "fmt/format.h"
#include "peer/lease_messages.h"

namespace holdfast::peer {

namespace {

void fail(net::HttpExchange& exchange, int status, std::string_view text) {
  exchange.respond(
      status,
      {{"Content-Type", "text/plain; charset=utf-8"}, {"X-Content-Type-Options", "nosniff"}},
      fmt::format("{}\n", text));
}

void answer(net::HttpExchange& exchange, std::string body) {
  exchange.respond(200, {{"Content-Type", "application/protobuf"}}, std::move(body));
}

bool is_acceptable(net::HttpExchange& exchange) {
  if (exchange.request().method != "POST") {
    fail(exchange, 405, "Method Not Allowed");
    return false;
  }
  if (exchange.request().body.size() > kLeaseRequestBytesMax) {
    fail(exchange, 413, "request body too large");
    return false;
  }
  return true;
}

// Not everything that went wrong is worth asking again for: 404 is final.
void answer_error(net::HttpExchange& exchange, const absl::Status& status, int otherwise) {
  if (is(status, EtcdError::lease_not_found)) return fail(exchange, 404, "lease not found");
  if (is(status, EtcdError::timeout_wait_applied_index)) return fail(exchange, 408, kApplyTimeout);
  fail(exchange, otherwise, message(status));
}

void renew(server::LeaseRequests& leases, const net::HttpExchangeRef& exchange) {
  if (!is_acceptable(*exchange)) return;
  const auto id = decode_renew_request(exchange->request().body);
  if (!id) return fail(*exchange, 400, "error unmarshalling request");
  leases.renew_for_peer(exchange->executor(), *id,
                        [exchange, id = *id](const absl::StatusOr<int64_t>& ttl) {
                          if (!ttl.ok()) return answer_error(*exchange, ttl.status(), 400);
                          answer(*exchange, encode_renew_answer(id, *ttl));
                        });
}

void look_up(server::LeaseRequests& leases, const net::HttpExchangeRef& exchange) {
  if (!is_acceptable(*exchange)) return;
  const auto request = decode_lookup_request(exchange->request().body);
  if (!request) return fail(*exchange, 400, "error unmarshalling request");
  leases.time_to_live_for_peer(
      exchange->executor(), request->id, request->keys,
      [exchange, id = request->id](const absl::StatusOr<server::LeaseInfo>& info) {
        if (!info.ok()) return answer_error(*exchange, info.status(), 500);
        answer(*exchange, encode_lookup_answer(id, *info));
      });
}

}  // namespace

void add_lease_endpoints(PeerEndpoints& endpoints, server::LeaseRequests& leases) {
  endpoints.add(kLeasesPath, [&leases](const net::HttpExchangeRef& e) { renew(leases, e); });
  endpoints.add(kLeasesInternalPath,
                [&leases](const net::HttpExchangeRef& e) { look_up(leases, e); });
}

}  // namespace holdfast::peer
