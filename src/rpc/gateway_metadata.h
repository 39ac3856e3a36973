// What of an HTTP request's fields reaches the gRPC method (grpc-gateway's AnnotateContext; GW-09, GEN-16).
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "env/clock.h"
#include "net/grpc_call.h"
#include "net/http.h"

namespace holdfast::rpc {

struct GatewayMetadata {
  net::HeaderFields fields;
  std::optional<env::Duration> timeout;  // Grpc-Timeout
};
// `authorization`: a token that came by another way (a websocket's), for the field of that name.
absl::StatusOr<GatewayMetadata> gateway_metadata(const net::HttpRequest& request,
                                                 std::string_view remote_address,
                                                 std::optional<std::string_view> authorization);

// The token of a websocket's handshake, as the field "authorization" (GW-10): "Bearer, <token>" in the subprotocol, or a
// cookie "token".
std::optional<std::string> websocket_token(const net::HttpRequest& request);

// HTTP's status for a gRPC code (GW-08).
int http_status(absl::StatusCode code);
// google.rpc.Status as JSON, zero fields left out.
std::string status_json(const absl::Status& status, bool html_escaped);

}  // namespace holdfast::rpc
