// The header fields of one HTTP/2 request, and whether they make it a gRPC call that can be served; pure. Bounded by the
// header list's limit, reused for later requests.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "env/clock.h"
#include "net/grpc_call.h"
#include "net/grpc_server.h"
#include "net/http.h"

namespace holdfast::net {

class GrpcRequestHead {
 public:
  // `max_list_bytes`: fields that come when the list is longer are dropped, and too_long() says so.
  void begin(size_t max_list_bytes);
  void add(std::string_view name, std::string_view value);

  bool too_long() const { return list_bytes_ > max_list_bytes_; }
  // By its content type; whatever else is wrong with it.
  bool grpc() const;
  const std::string& path() const { return path_; }
  const std::string& method() const { return method_; }
  const std::string& content_type() const { return content_type_; }
  const std::string& encoding() const { return encoding_; }
  HeaderFields& fields() { return fields_; }

  // What a request that arrived at `arrived` asks `server` (null: there is none) for; not OK, with the HTTP status that
  // goes with it: what grpc-go would find first.
  struct Judgement {
    absl::Status status;
    int http_status = 200;
    const GrpcServer::Method* method = nullptr;
    std::optional<env::Instant> deadline;
  };
  Judgement judge(const GrpcServer* server, env::Instant arrived);

  // Of that the fields alone: content type, time-out, and the binary ones, which are decoded.
  Judgement judge_fields(env::Instant arrived);

 private:
  void add_pseudo(std::string_view name, std::string_view value);
  absl::Status decode_binary_fields();

  std::string path_;
  std::string method_;
  std::string content_type_;
  std::string encoding_;
  std::string timeout_;
  HeaderFields fields_;
  size_t max_list_bytes_ = 0;
  size_t list_bytes_ = 0;
  bool has_binary_ = false;
};

// Under TLS etcd's gRPC calls come through net/http, whose handler gives a request that means to be gRPC (HTTP/2, and
// "application/grpc" somewhere in the content type) over to grpc-go, which refuses a malformed one in plain text
// (NewServerHandlerTransport). Nothing: the request isn't meant so, or is no worse than a call.
struct GrpcHttpRefusal {
  int status = 0;
  std::string text;
};
std::optional<GrpcHttpRefusal> refuse_malformed_grpc(const HttpRequest& request);

}  // namespace holdfast::net
