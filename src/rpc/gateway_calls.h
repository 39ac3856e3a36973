// The calls behind the gateway's requests. Each holds its own exchange and call until both are over.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "base/log.h"
#include "net/grpc_server.h"
#include "net/http.h"
#include "rpc/gateway.h"

namespace holdfast::rpc {

struct GatewayTarget {
  const net::GrpcServer& server;
  const Gateway::Route* route;  // null: no such path
  size_t max_json_bytes;
};

// Where a stream's answers go: an HTTP answer in lines, or a websocket's messages.
class GatewayOut {
 public:
  virtual ~GatewayOut() = default;
  // The first of a successful answer; `fields` are of the method.
  virtual void start(net::HttpFields fields) = 0;
  // One JSON text.
  virtual void write(std::string json) = 0;
  // An error instead of an answer, as a unary method's.
  virtual void fail(const absl::Status& status) = 0;
  // An error of a stream: instead of an answer, or at its end.
  virtual void end_with(const absl::Status& status) = 0;
  virtual void end() = 0;
  virtual size_t outbox_bytes() const = 0;
  // `task` runs whenever there is room again, `gone` once if the client goes away first.
  virtual void on_drained(Task task) = 0;
  virtual void on_gone(Task gone) = 0;
  // The client is asked to send no more for a while.
  virtual void pause_input() = 0;
  virtual void resume_input() = 0;
};
std::unique_ptr<GatewayOut> make_http_out(net::HttpExchangeRef exchange, net::HttpFields common);

// The client's half of a stream; let go of at its end.
class GatewayStream {
 public:
  virtual ~GatewayStream() = default;
  // JSON texts, one after the other, cut anyhow.
  virtual void feed(std::string_view bytes) = 0;
  virtual void end_of_input() = 0;
};

void call_unary(const GatewayTarget& target, net::HttpExchangeRef exchange, net::HttpFields common);
// Shared by the feeding side and the call; lives until the call is over.
std::shared_ptr<GatewayStream> open_stream(const GatewayTarget& target, net::IoThread& thread,
                                           const net::HttpRequest& request,
                                           const net::PeerInfo& peer,
                                           std::optional<std::string_view> authorization,
                                           std::unique_ptr<GatewayOut> out);
std::unique_ptr<net::HttpBodySink> receive_stream(const GatewayTarget& target,
                                                  const net::HttpExchangeRef& exchange,
                                                  net::HttpFields common);
// GW-10.
void open_websocket(const GatewayTarget& target, net::HttpExchangeRef exchange,
                    net::HttpFields common, Logger& log);

}  // namespace holdfast::rpc
