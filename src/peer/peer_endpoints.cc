#include "peer/peer_endpoints.h"

#include <algorithm>
#include <memory>
#include <utility>
#include <vector>

#include "base/errors.h"
#include "fmt/format.h"
#include "membership/cluster.h"
#include "mvcc/store.h"
#include "peer/hash_messages.h"
#include "peer/replies.h"
#include "rpc/http_redirect.h"

namespace holdfast::peer {

namespace {
constexpr std::string_view kJson = "application/json";
// Who asks whether there is a downgrade is about to join, takes no answer for "no", and may be the very member that this
// one's quorum waits for: with etcd's 7 s the leader has long stepped down when it comes. A round of the read index gets
// as long before it is repeated.
constexpr env::Duration kDowngradeAnswerMax = std::chrono::milliseconds(500);
}  // namespace

PeerEndpoints::PeerEndpoints(Transport& transport, Logger& log, size_t posted_bytes_max)
    : transport_(transport), log_(log), raft_(transport, posted_bytes_max) {
  const auto raft = [this](net::HttpExchangeRef exchange) { raft_.handle(std::move(exchange)); };
  add("/raft", raft);
  add("/raft/", raft);
  add(std::string(kStreamPrefix), raft);  // so that "/raft/stream" is sent on to it
  add("/members", [this](const net::HttpExchangeRef& e) { serve_members(e); });
  add("/version", [this](const net::HttpExchangeRef& e) { serve_version(e); });
  add("/downgrade/enabled", [this](net::HttpExchangeRef e) { serve_downgrade_enabled(std::move(e)); });
  add(kHashKvPath, [this](net::HttpExchangeRef e) { serve_hash_kv(std::move(e)); });
}

void PeerEndpoints::use(const Parts& parts) { parts_.emplace(parts); }

void PeerEndpoints::add(std::string path, Handler handler) {
  handlers_[std::move(path)] = std::move(handler);
}

void PeerEndpoints::handle(net::HttpExchangeRef exchange) {
  const net::HttpRequest& request = exchange->request();
  if (const auto clean = rpc::clean_target(request)) return rpc::redirect({std::move(exchange), {}}, *clean);
  const std::string_view path = request.path();
  if (const auto exact = handlers_.find(path); exact != handlers_.end())
    return exact->second(std::move(exchange));
  // A folder's path without its slash.
  if (std::string target = fmt::format("{}/", path); handlers_.contains(target)) {
    if (!request.query().empty()) target.append("?").append(request.query());
    return rpc::redirect({std::move(exchange), {}}, target);
  }
  // The longest folder that has a handler, as Go's ServeMux.
  for (size_t slash = path.rfind('/'); slash != std::string_view::npos && slash > 0;
       slash = path.rfind('/', slash - 1))
    if (const auto folder = handlers_.find(path.substr(0, slash + 1)); folder != handlers_.end())
      return folder->second(std::move(exchange));
  rpc::HttpReply(std::move(exchange), {}).not_found();
}

std::unique_ptr<net::HttpBodySink> PeerEndpoints::receive(const net::HttpExchangeRef& exchange) {
  return raft_.receive(exchange);
}

void PeerEndpoints::serve_members(const net::HttpExchangeRef& exchange) {
  if (!rpc::HttpReply(exchange, {}).require_method("GET")) return;
  std::vector<membership::Member> members;
  const auto cluster = parts_->member.cluster();
  for (const auto& [id, member] : cluster->members()) members.push_back(member);
  // etcd's MembersByPeerURLs.
  std::stable_sort(members.begin(), members.end(), [](const auto& a, const auto& b) {
    return !a.peer_urls.empty() && !b.peer_urls.empty() && a.peer_urls.front() < b.peer_urls.front();
  });
  std::string body = "[";
  for (const membership::Member& member : members) {
    if (body.size() > 1) body += ',';
    body += membership::to_json(member);
  }
  body += "]\n";
  exchange->respond(200, {{"Content-Type", std::string(kJson)}, cluster_field(self())}, std::move(body));
}

void PeerEndpoints::serve_version(const net::HttpExchangeRef& exchange) {
  if (!rpc::HttpReply(exchange, {}).require_method("GET")) return;
  const auto version = parts_->member.cluster()->version();
  const std::string storage = parts_->member.storage_version();
  exchange->respond(200, {{"Content-Type", std::string(kJson)}},
                    fmt::format(R"({{"etcdserver":"{}","etcdcluster":"{}","storage":"{}"}})", server::kEtcdVersion,
                                version ? version->to_string() : "not_decided", storage.empty() ? "unknown" : storage));
}

void PeerEndpoints::serve_downgrade_enabled(net::HttpExchangeRef exchange) {
  if (!rpc::HttpReply(exchange, {}).require_method("GET")) return;
  env::Executor& thread = exchange->executor();
  server::CallContext context;
  context.reply_on = &thread;
  // The read and the timer, whichever is first.
  struct Question {
    env::TimerId timer = 0;
    bool answered = false;
  };
  auto question = std::make_shared<Question>();  // shared by the two
  const auto fail = [this, exchange](std::string_view why) {
    reply_error(*exchange, self(), 500, fmt::format("failed linearized read: {}", why));
  };
  question->timer = thread.post_after(kDowngradeAnswerMax, [question, fail] {
    if (!std::exchange(question->answered, true)) fail("context deadline exceeded");
  });
  parts_->reader.wait_read(context, [this, exchange, question, fail, &thread](const absl::Status& status) {
    if (std::exchange(question->answered, true)) return;
    thread.cancel(question->timer);
    if (!status.ok()) return fail(message(status));
    const bool enabled = parts_->member.cluster()->downgrade().enabled;
    exchange->respond(200, {{"Content-Type", "text/plain"}, cluster_field(self())},
                      enabled ? "true" : "false");
  });
}

void PeerEndpoints::serve_hash_kv(net::HttpExchangeRef exchange) {
  if (!rpc::HttpReply(exchange, {}).require_method("GET")) return;
  const auto cluster = exchange->request().field("X-Etcd-Cluster-ID");
  if (cluster && !cluster->empty() && *cluster != hex_id(self().cluster.value))
    return reply_error(*exchange, self(), 412, kClusterIdMismatch);
  const auto revision = parse_hash_request(exchange->request().body);
  if (!revision) return reply_error(*exchange, self(), 400, "error unmarshalling request");
  parts_->operations.hash_kv(
      exchange->executor(), *revision,
      [this, exchange, revision](const absl::StatusOr<mvcc::HashResult>& hash) {
        if (!hash.ok()) {
          log_.warn("failed to get hashKV",
                    {{"requested-revision", *revision}, {"error", message(hash.status())}});
          return reply_error(*exchange, self(), 400, message(hash.status()));
        }
        exchange->respond(200, {{"Content-Type", std::string(kJson)}, cluster_field(self())},
                          hash_answer_json(*hash));
      });
}

}  // namespace holdfast::peer
