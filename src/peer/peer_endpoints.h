// The peer port (etcd etcdhttp/peer.go; parity PEERH): /raft, /members, /version, /downgrade/enabled, /members/hashkv,
// and what others hang in.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "base/log.h"
#include "net/http.h"
#include "peer/headers.h"
#include "peer/raft_endpoints.h"
#include "server/member_info.h"
#include "server/request_path.h"

namespace holdfast::peer {

// On the transport's thread.
class PeerEndpoints final : public net::HttpHandler {
 public:
  using Handler = std::function<void(net::HttpExchangeRef)>;
  PeerEndpoints(Transport& transport, Logger& log, size_t posted_bytes_max = kMessageBytesMax);

  struct Parts {
    const server::MemberInfo& member;
    server::MemberOperations& operations;
    server::LinearizableReader& reader;
  };
  // Before the port is served; the transport is started then.
  void use(const Parts& parts);
  // Requests of this path, and with a '/' at its end of all paths below it. Before the port is served.
  void add(std::string path, Handler handler);

  void handle(net::HttpExchangeRef exchange) override;
  std::unique_ptr<net::HttpBodySink> receive(const net::HttpExchangeRef& exchange) override;

 private:
  const Identity& self() const { return transport_.world().self; }
  void serve_members(const net::HttpExchangeRef& exchange);
  void serve_version(const net::HttpExchangeRef& exchange);
  void serve_downgrade_enabled(net::HttpExchangeRef exchange);
  void serve_hash_kv(net::HttpExchangeRef exchange);

  Transport& transport_;
  Logger& log_;
  RaftEndpoints raft_;
  std::map<std::string, Handler, std::less<>> handlers_;
  std::optional<Parts> parts_;
};

}  // namespace holdfast::peer
