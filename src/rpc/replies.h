// How unary calls end: header, serialization, etcd's error, slow-request log (GEN-05, GEN-12,
// GEN-13). In one place, so that methods are nothing but a conversion.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <type_traits>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "apply/result.h"
#include "base/log.h"
#include "env/clock.h"
#include "google/protobuf/message.h"
#include "net/grpc_call.h"
#include "server/member_info.h"
#include "server/response_header.h"

namespace holdfast::rpc {

// What grpc-go answers to a message that doesn't parse: of a unary call, of a stream. `why` in protobuf-go's words.
inline constexpr std::string_view kMalformed = "proto: cannot parse invalid wire-format data";
absl::Status malformed_request(std::string_view why = kMalformed);
absl::Status malformed_stream_message(std::string_view why = kMalformed);

// GEN-12: an error as it leaves the server. Those that etcd has no gRPC error for are Unknown, with
// their text.
absl::Status to_wire(absl::Status status);

// Parses as deep as the deepest transaction that --max-txn-ops may permit, which is deeper than
// protobuf's default.
bool parse(std::string_view bytes, google::protobuf::MessageLite& message);

// The same for what a client sent, but no more than etcd takes: it may go into the log as it is. Empty, or why not.
std::string_view parse_request(std::string_view bytes, google::protobuf::Message& message);

class Replies {
 public:
  struct Options {
    env::Duration warning_unary_request_duration = std::chrono::milliseconds(300);
  };
  Replies(const server::MemberInfo& member, Logger& log, Options options)
      : member_(member), log_(log), options_(options) {}

  const server::MemberInfo& member() const { return member_; }

  // Before the method ran: not logged as its outcome.
  void refuse(net::UnaryCall& call, const absl::Status& status) const { call.finish(status); }
  // `response` is a serialized message, complete.
  void answer(net::UnaryCall& call, std::string response) const {
    log_if_slow(call, response);
    call.finish(std::move(response));
  }
  void answer(net::UnaryCall& call, const absl::Status& status) const {
    log_if_slow(call, {});
    call.finish(to_wire(status));
  }

  // For V3Server's callbacks. A proposal's response of type T, whose header is filled in.
  template <class T>
  auto of_proposal(net::UnaryCallRef call) const {
    return [this, call = std::move(call)](std::unique_ptr<apply::Result> result) {
      if (!result->status.ok()) return answer(*call, result->status);
      T& response = result->as<T>();
      server::fill_header(*response.mutable_header(), member_);
      answer(*call, response.SerializeAsString());
    };
  }
  // A response that is complete.
  template <class T>
  auto of_message(net::UnaryCallRef call) const {
    return [this, call = std::move(call)](absl::StatusOr<std::unique_ptr<T>> response) {
      if (!response.ok()) return answer(*call, response.status());
      answer(*call, (*response)->SerializeAsString());
    };
  }
  auto of_bytes(net::UnaryCallRef call) const {
    return [this, call = std::move(call)](absl::StatusOr<std::string> response) {
      if (!response.ok()) return answer(*call, response.status());
      answer(*call, *std::move(response));
    };
  }

 private:
  void log_if_slow(const net::UnaryCall& call, std::string_view response) const {
    const env::Duration took = call.executor().now() - call.started_at();
    if (took > options_.warning_unary_request_duration || log_.enabled(LogLevel::debug))
      log_request(call, response, took);
  }
  void log_request(const net::UnaryCall& call, std::string_view response, env::Duration took) const;

  const server::MemberInfo& member_;
  Logger& log_;
  const Options options_;
};

}  // namespace holdfast::rpc
