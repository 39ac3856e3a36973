#include "net/grpc_request_head.h"

#include <algorithm>
#include <limits>
#include <utility>

#include "base/errors.h"
#include "base/go_text.h"
#include "fmt/format.h"
#include "net/grpc_wire.h"

namespace holdfast::net {

using absl::StatusCode;

namespace {

GrpcRequestHead::Judgement refuse_content_type(std::string_view content_type) {
  return {.status = make_status(StatusCode::kInvalidArgument,
                                fmt::format("invalid gRPC request content-type {}", go_quote(content_type))),
          .http_status = 415};
}

}  // namespace

void GrpcRequestHead::begin(size_t max_list_bytes) {
  path_.clear();
  method_.clear();
  content_type_.clear();
  encoding_.clear();
  timeout_.clear();
  fields_.clear();
  max_list_bytes_ = max_list_bytes;
  list_bytes_ = 0;
  has_binary_ = false;
}

void GrpcRequestHead::add(std::string_view name, std::string_view value) {
  // RFC 9113 10.5.1: the size of a list counts 32 bytes a field.
  list_bytes_ += name.size() + value.size() + 32;
  if (too_long()) return;
  if (name.starts_with(':')) {
    add_pseudo(name, value);
    return;
  }
  if (name == "content-type") content_type_ = value;
  if (name == "grpc-timeout") timeout_ = value;
  if (name == "grpc-encoding") encoding_ = value;
  if (name.ends_with("-bin")) has_binary_ = true;
  fields_.add(name, value);
}

void GrpcRequestHead::add_pseudo(std::string_view name, std::string_view value) {
  if (name == ":path") {
    path_ = value;
  } else if (name == ":method") {
    method_ = value;
  } else if (name == ":authority") {
    fields_.add(name, value);
  }
}

bool GrpcRequestHead::grpc() const { return is_grpc_content_type(content_type_); }

GrpcRequestHead::Judgement GrpcRequestHead::judge_fields(env::Instant arrived) {
  Judgement judgement;
  if (!grpc()) return refuse_content_type(content_type_);
  if (!timeout_.empty()) {
    auto timeout = parse_grpc_timeout(timeout_);
    if (!timeout.ok())
      return {.status = make_status(StatusCode::kInternal,
                                    fmt::format("malformed grpc-timeout: {}", message(timeout.status()))),
              .http_status = 400};
    constexpr env::Duration kForever = std::chrono::hours(24 * 365 * 100);
    judgement.deadline = arrived + std::min(*timeout, kForever);
  }
  if (has_binary_)
    if (absl::Status binary = decode_binary_fields(); !binary.ok())
      return {.status = std::move(binary), .http_status = 400};
  return judgement;
}

// In grpc-go's order: content type, malformed headers, method, deadline, path, encoding.
GrpcRequestHead::Judgement GrpcRequestHead::judge(const GrpcServer* server, env::Instant arrived) {
  Judgement judgement;
  if (server == nullptr) return refuse_content_type(content_type_);
  judgement = judge_fields(arrived);
  if (!judgement.status.ok()) return judgement;
  const auto refuse = [&](int http_status, absl::Status status) {
    judgement.http_status = http_status;
    judgement.status = std::move(status);
    return judgement;
  };
  if (method_ != "POST")
    return refuse(405, make_status(StatusCode::kInternal,
                                   fmt::format("Received a HEADERS frame with :method {} which should be POST",
                                               go_quote(method_))));
  if (judgement.deadline && *judgement.deadline <= arrived)
    return refuse(200, make_status(StatusCode::kDeadlineExceeded, "context deadline exceeded"));
  judgement.method = server->find(path_);
  if (judgement.method == nullptr) return refuse(200, server->unknown_method(path_));
  if (!encoding_.empty() && encoding_ != "identity")
    return refuse(200, make_status(StatusCode::kUnimplemented,
                                   fmt::format("grpc: Decompressor is not installed for grpc-encoding {}",
                                               go_quote(encoding_))));
  return judgement;
}

absl::Status GrpcRequestHead::decode_binary_fields() {
  HeaderFields decoded;
  for (size_t i = 0; i < fields_.fields.size(); ++i) {
    std::string_view name = fields_.name(i), value = fields_.value(i);
    if (!name.ends_with("-bin")) {
      decoded.add(name, value);
      continue;
    }
    auto bytes = decode_base64(value);
    if (!bytes)
      return make_status(StatusCode::kInternal,
                         fmt::format("malformed binary metadata {} in header {}: illegal base64 data", go_quote(value),
                                     go_quote(name)));
    decoded.add(name, *bytes);
  }
  fields_ = std::move(decoded);
  return absl::OkStatus();
}

std::optional<GrpcHttpRefusal> refuse_malformed_grpc(const HttpRequest& request) {
  if (request.version != 20 || request.field("content-type").value_or("").find("application/grpc") == std::string_view::npos)
    return std::nullopt;
  if (request.method != "POST")
    return GrpcHttpRefusal{405, fmt::format("invalid gRPC request method {}", go_quote(request.method))};
  GrpcRequestHead head;
  head.begin(std::numeric_limits<size_t>::max());  // the fields were let in already
  for (const auto& [name, value] : request.fields) head.add(name, value);
  const GrpcRequestHead::Judgement judgement = head.judge_fields({});
  if (judgement.status.ok()) return std::nullopt;
  return GrpcHttpRefusal{judgement.http_status, std::string(message(judgement.status))};
}

}  // namespace holdfast::net
