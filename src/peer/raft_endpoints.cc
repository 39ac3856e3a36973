#include "peer/raft_endpoints.h"

#include <utility>

#include "base/errors.h"
#include "fmt/format.h"
#include "peer/replies.h"
#include "peer/snapshot_receiver.h"
#include "raft/codec.h"
#include "rpc/http_replies.h"
#include "server/member_info.h"

namespace holdfast::peer {

namespace {

constexpr std::string_view kMessagePath = "/raft";
constexpr std::string_view kSnapshotPath = "/raft/snapshot";
constexpr std::string_view kProbingPath = "/raft/probing";

// etcd's httptypes.HTTPError.
void reply_json_error(net::HttpExchange& exchange, const Identity& self, int status, std::string_view text) {
  exchange.respond(status, {{"Content-Type", "application/json"}, cluster_field(self)},
                   fmt::format(R"({{"message":"{}"}})", text));
}

}  // namespace

void RaftEndpoints::handle(net::HttpExchangeRef exchange) {
  const std::string path(exchange->request().path());
  if (path == kMessagePath) {
    if (rpc::HttpReply(exchange, {}).require_method("POST") && admit(*exchange)) serve_message(exchange, {});
    return;
  }
  if (path == kProbingPath) return serve_probing(*exchange);
  if (path.starts_with(kStreamPrefix)) return serve_stream(std::move(exchange), path);
  const TransportWorld& world = transport_.world();
  if (path == kSnapshotPath) {
    // With a body it would have come by receive().
    if (rpc::HttpReply(exchange, {}).require_method("POST") && admit(*exchange))
      reply_error(*exchange, world.self, 400, "failed to decode raft message (EOF)");
    return;
  }
  rpc::HttpReply(std::move(exchange), {}).not_found();
}

// The body of a post, up to the bound that all posts share.
class RaftEndpoints::Post final : public net::HttpBodySink {
 public:
  Post(RaftEndpoints& endpoints, net::HttpExchangeRef exchange)
      : endpoints_(endpoints), exchange_(std::move(exchange)), body_(endpoints.posted_) {}
  void on_piece(std::string_view piece) override {
    if (refused_ || body_.append(piece)) return;
    refused_ = true;
    body_.clear();
    reply_error(*exchange_, endpoints_.transport_.world().self, 413, kTooMuchPosted);
  }
  void on_end() override {
    if (!refused_) endpoints_.serve_message(exchange_, body_.bytes());
    body_.clear();
  }
  void on_abort() override {}

 private:
  RaftEndpoints& endpoints_;
  const net::HttpExchangeRef exchange_;
  HeldBytes body_;
  bool refused_ = false;
};

std::unique_ptr<net::HttpBodySink> RaftEndpoints::receive(const net::HttpExchangeRef& exchange) {
  const std::string_view path = exchange->request().path();
  const bool snapshot = path == kSnapshotPath;
  if ((!snapshot && path != kMessagePath) || exchange->request().method != "POST") return nullptr;
  const TransportWorld& world = transport_.world();
  // A stranger's body is not collected, but thrown away as it comes.
  class Nothing final : public net::HttpBodySink {
    void on_piece(std::string_view) override {}
    void on_end() override {}
    void on_abort() override {}
  };
  if (!admit(*exchange)) {
    if (snapshot) SnapshotReceiveSeries(world.metrics, "UNKNOWN_SNAPSHOT_SENDER").failures.increment();
    return std::make_unique<Nothing>();
  }
  if (snapshot) return receive_snapshot(transport_, posted_, exchange);
  return std::make_unique<Post>(*this, exchange);
}

bool RaftEndpoints::admit(net::HttpExchange& exchange) {
  const TransportWorld& world = transport_.world();
  if (const auto why = refusal(exchange.request(), world.self, world.log)) {
    reply_error(exchange, world.self, 412, *why);
    return false;
  }
  if (const auto sender = introduced(exchange.request()))
    transport_.add_remote_now(sender->from, sender->peer_urls);
  return true;
}

void RaftEndpoints::serve_message(const net::HttpExchangeRef& exchange, std::string_view body) {
  const TransportWorld& world = transport_.world();
  auto message = raft::decode_message(body);
  if (message.ok() && raft::is_local_target(message->from))
    message = make_status(absl::StatusCode::kInvalidArgument, "from one of our own threads");
  if (!message.ok()) {
    world.log.warn("failed to unmarshal Raft message",
                   {{"local-member-id", world.self.member}, {"error", holdfast::message(message.status())}});
    received_failures(world.metrics, host_of(exchange->peer().address)).increment();
    return reply_error(*exchange, world.self, 400, "error unmarshalling raft message");
  }
  received_bytes(world.metrics, transport_.series_name(message->from)).add(static_cast<double>(body.size()));
  if (world.host.is_removed(message->from)) {
    world.log.warn("rejected Raft message from removed member",
                   {{"local-member-id", world.self.member}, {"removed-member-id", message->from}});
    return reply_json_error(*exchange, world.self, 403, "cannot process message from removed member");
  }
  if (message->to != world.self.member) {
    world.log.warn("rejected Raft message to mismatch member",
                   {{"local-member-id", world.self.member}, {"mismatch-member-id", message->to}});
    return reply_json_error(*exchange, world.self, 403, "cannot process message to mismatch member");
  }
  std::vector<raft::Message> messages;
  messages.push_back(*std::move(message));
  // Answered when raft has seen it: the sender has four posts under way at most.
  world.host.receive(std::move(messages), [exchange, self = &world.self] {
    exchange->executor().post([exchange, self] { exchange->respond(204, {cluster_field(*self)}, ""); });
  });
}

void RaftEndpoints::serve_stream(net::HttpExchangeRef exchange, std::string_view path) {
  const TransportWorld& world = transport_.world();
  const Identity& self = world.self;
  if (!rpc::HttpReply(exchange, {}).require_method("GET")) return;
  const net::HttpFields version = {{"X-Server-Version", std::string(server::kEtcdVersion)}};
  if (const auto why = refusal(exchange->request(), self, world.log))
    return reply_error(*exchange, self, 412, *why, version);

  const size_t slash = path.rfind('/');
  const std::string_view folder = path.substr(0, slash), name = path.substr(slash + 1);
  if (folder != stream_path(StreamType::msgapp) && folder != stream_path(StreamType::message))
    return reply_error(*exchange, self, 404, "invalid path", version);
  const auto id = parse_hex_id(name);
  if (!id) {
    world.log.warn("failed to parse path into ID", {{"local-member-id", self.member}, {"path", name}});
    return reply_error(*exchange, self, 404, "invalid from", version);
  }
  const MemberId from(*id);
  if (world.host.is_removed(from)) {
    world.log.warn("rejected stream from remote peer because it was removed",
                   {{"local-member-id", self.member}, {"remote-peer-id-from", from}});
    return reply_error(*exchange, self, 410, "removed member", version);
  }
  Peer* peer = transport_.find(from);
  if (!peer) {
    // A member of another cluster with the same id, or one that joined and of which our log has not told us yet.
    if (const auto urls = peer_urls_of(exchange->request()); !urls.empty())
      transport_.add_remote_now(from, urls);
    world.log.warn("failed to find remote peer in cluster", {{"local-member-id", self.member},
                                                             {"remote-peer-id-from", from},
                                                             {"cluster-id", self.cluster}});
    return reply_error(*exchange, self, 404, "error sender not found", version);
  }
  const std::string_view to = exchange->request().field("X-Raft-To").value_or("");
  if (to != hex_id(self.member.value)) {
    world.log.warn("ignored streaming request; ID mismatch", {{"local-member-id", self.member},
                                                              {"remote-peer-id-header", to},
                                                              {"remote-peer-id-from", from},
                                                              {"cluster-id", self.cluster}});
    return reply_error(*exchange, self, 412, "to field mismatch", version);
  }
  peer->attach(folder == stream_path(StreamType::msgapp) ? StreamType::msgapp : StreamType::message,
               std::move(exchange));
}

void RaftEndpoints::serve_probing(net::HttpExchange& exchange) {
  const TransportWorld& world = transport_.world();
  exchange.respond(200, {{"Content-Type", "text/plain; charset=utf-8"}},
                   health_json(world.thread.clock().unix_nanoseconds()) + "\n");
}

}  // namespace holdfast::peer
