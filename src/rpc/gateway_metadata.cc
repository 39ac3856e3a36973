#include "rpc/gateway_metadata.h"

#include <algorithm>
#include <iterator>
#include <string>

#include "base/errors.h"
#include "base/text.h"
#include "fmt/format.h"
#include "net/grpc_wire.h"
#include "rpc/json_mapping.h"

namespace holdfast::rpc {

namespace {

// IANA's permanent fields, as grpc-gateway lists them; sorted.
constexpr std::string_view kPermanent[] = {
    "accept", "accept-charset", "accept-language", "accept-ranges", "authorization",
    "cache-control", "content-type", "cookie", "date", "expect", "from", "host", "if-match",
    "if-modified-since", "if-none-match", "if-schedule-tag-match", "if-unmodified-since",
    "max-forwards", "origin", "pragma", "referer", "user-agent", "via", "warning"};
constexpr std::string_view kMetadataPrefix = "grpc-metadata-";

bool is_valid_key(std::string_view key) {
  return std::all_of(key.begin(), key.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '.' || c == '-' || c == '_';
  });
}

bool is_printable(std::string_view value) {
  return std::all_of(value.begin(), value.end(), [](char c) { return c >= 0x20 && c <= 0x7e; });
}

// net.SplitHostPort's host.
std::string_view host_of(std::string_view address) {
  const size_t colon = address.rfind(':');
  std::string_view host = address.substr(0, colon);
  if (host.starts_with('[') && host.ends_with(']')) host = host.substr(1, host.size() - 2);
  return host;
}

absl::Status add_field(std::string_view name, std::string_view value, net::HeaderFields& fields) {
  if (name == "authorization") fields.add(name, value);
  std::string key;
  if (std::binary_search(std::begin(kPermanent), std::end(kPermanent), name)) {
    // Go keeps the host apart from the fields.
    if (name == "host") return absl::OkStatus();
    key = fmt::format("grpcgateway-{}", name);
  } else if (name.starts_with(kMetadataPrefix)) {
    key = name.substr(kMetadataPrefix.size());
  } else {
    return absl::OkStatus();
  }
  if (key.empty() || !is_valid_key(key)) return absl::OkStatus();
  if (name.ends_with("-bin")) {
    const auto bytes = net::decode_base64(value);
    if (!bytes)
      return make_status(absl::StatusCode::kInvalidArgument,
                         fmt::format("invalid binary header {}: illegal base64 data", name));
    fields.add(key, *bytes);
  } else if (is_printable(value)) {
    fields.add(key, value);
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<GatewayMetadata> gateway_metadata(const net::HttpRequest& request,
                                                 std::string_view remote_address,
                                                 std::optional<std::string_view> authorization) {
  GatewayMetadata metadata;
  std::string forwarded_for, forwarded_host;
  if (authorization) (void)add_field("authorization", *authorization, metadata.fields);
  for (const auto& [field_name, value] : request.fields) {
    const std::string name = ascii_lower(field_name);
    if (name == "x-forwarded-for") {
      if (!forwarded_for.empty()) forwarded_for += ", ";
      forwarded_for += value;
    } else if (name == "x-forwarded-host") {
      if (forwarded_host.empty()) forwarded_host = value;
    } else if (name == "grpc-timeout") {
      const auto timeout = net::parse_grpc_timeout(value);
      if (!timeout.ok())
        return make_status(absl::StatusCode::kInvalidArgument,
                           fmt::format("invalid grpc-timeout: {}", value));
      metadata.timeout = *timeout;
    } else if (name == "authorization" && authorization) {
      continue;
    } else if (absl::Status status = add_field(name, value, metadata.fields); !status.ok()) {
      return status;
    }
  }
  if (forwarded_host.empty()) forwarded_host = request.field("host").value_or("");
  if (!forwarded_host.empty()) metadata.fields.add("x-forwarded-host", forwarded_host);
  if (!forwarded_for.empty()) forwarded_for += ", ";
  forwarded_for += host_of(remote_address);
  metadata.fields.add("x-forwarded-for", forwarded_for);
  return metadata;
}

std::optional<std::string> websocket_token(const net::HttpRequest& request) {
  std::optional<std::string> authorization;
  if (const auto protocol = request.field("sec-websocket-protocol"); protocol && !protocol->empty()) {
    authorization.emplace();
    constexpr std::string_view kBearer = "Bearer,";
    if (const size_t at = protocol->find(kBearer); at != std::string_view::npos) {
      std::string_view token = protocol->substr(at + kBearer.size());
      while (token.starts_with(' ')) token.remove_prefix(1);
      while (token.ends_with(' ')) token.remove_suffix(1);
      authorization = fmt::format("Bearer {}", token);
    }
  }
  std::string_view cookies = request.field("cookie").value_or("");
  while (!cookies.empty()) {
    const size_t end = cookies.find(';');
    std::string_view cookie = cookies.substr(0, end);
    cookies = end == std::string_view::npos ? std::string_view() : cookies.substr(end + 1);
    while (cookie.starts_with(' ')) cookie.remove_prefix(1);
    if (cookie.starts_with("token=")) authorization = fmt::format("Bearer {}", cookie.substr(6));
  }
  return authorization;
}

int http_status(absl::StatusCode code) {
  switch (code) {
    case absl::StatusCode::kOk: return 200;
    case absl::StatusCode::kCancelled: return 499;
    case absl::StatusCode::kInvalidArgument:
    case absl::StatusCode::kFailedPrecondition:
    case absl::StatusCode::kOutOfRange: return 400;
    case absl::StatusCode::kUnauthenticated: return 401;
    case absl::StatusCode::kPermissionDenied: return 403;
    case absl::StatusCode::kNotFound: return 404;
    case absl::StatusCode::kAlreadyExists:
    case absl::StatusCode::kAborted: return 409;
    case absl::StatusCode::kResourceExhausted: return 429;
    case absl::StatusCode::kUnimplemented: return 501;
    case absl::StatusCode::kUnavailable: return 503;
    case absl::StatusCode::kDeadlineExceeded: return 504;
    default: return 500;
  }
}

std::string status_json(const absl::Status& status, bool html_escaped) {
  std::string out = fmt::format("{{\"code\":{}", static_cast<int>(status.code()));
  if (!message(status).empty()) {
    out += ",\"message\":";
    append_json_string(out, message(status), html_escaped ? Html::escaped : Html::plain);
  }
  out += '}';
  return out;
}

}  // namespace holdfast::rpc
