// The handlers below /raft of the peer port (etcd rafthttp/http.go; parity RAFT-01..08, RAFT-16, RAFT-21).
#pragma once

#include <memory>
#include <string_view>

#include "net/http.h"
#include "peer/transport.h"

namespace holdfast::peer {

// On the transport's thread.
class RaftEndpoints final : public net::HttpHandler {
 public:
  explicit RaftEndpoints(Transport& transport) : transport_(transport) {}

  void handle(net::HttpExchangeRef exchange) override;
  std::unique_ptr<net::HttpBodySink> receive(const net::HttpExchangeRef& exchange) override;

 private:
  // The checks that all handlers begin with; false if they answered.
  bool admit(net::HttpExchange& exchange);
  void serve_message(net::HttpExchangeRef exchange);
  void serve_stream(net::HttpExchangeRef exchange, std::string_view path);
  void serve_probing(net::HttpExchange& exchange);

  Transport& transport_;
};

}  // namespace holdfast::peer
