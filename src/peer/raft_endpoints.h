// The handlers below /raft of the peer port (etcd rafthttp/http.go; parity RAFT-01..08, RAFT-16, RAFT-21).
#pragma once

#include <memory>
#include <string_view>

#include "net/http.h"
#include "peer/codec.h"
#include "peer/held_bytes.h"
#include "peer/transport.h"

namespace holdfast::peer {

inline constexpr std::string_view kStreamPrefix = "/raft/stream/";

// On the transport's thread.
class RaftEndpoints final : public net::HttpHandler {
 public:
  // `posted_bytes_max`: of messages that are being posted, those before snapshots too, all posts together. A peer has four
  // under way, of a MiB or so; nobody else may make us hold more than one message can be long.
  explicit RaftEndpoints(Transport& transport, size_t posted_bytes_max = kMessageBytesMax)
      : transport_(transport), posted_{posted_bytes_max} {}

  void handle(net::HttpExchangeRef exchange) override;
  std::unique_ptr<net::HttpBodySink> receive(const net::HttpExchangeRef& exchange) override;

 private:
  class Post;
  // The checks that all handlers begin with; false if they answered.
  bool admit(net::HttpExchange& exchange);
  void serve_message(const net::HttpExchangeRef& exchange, std::string_view body);
  void serve_stream(net::HttpExchangeRef exchange, std::string_view path);
  void serve_probing(net::HttpExchange& exchange);

  Transport& transport_;
  HeldBytesLimit posted_;
};

}  // namespace holdfast::peer
