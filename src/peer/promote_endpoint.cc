#include "peer/promote_endpoint.h"

#include <charconv>

#include "base/errors.h"
#include "fmt/format.h"
#include "peer/replies.h"
#include "rpc/http_replies.h"

namespace holdfast::peer {

namespace {

// etcd's texts inside the server, which differ from those of its RPCs.
void refuse(net::HttpExchange& exchange, const Identity& self, const absl::Status& status) {
  if (is(status, EtcdError::member_not_found))
    return reply_error(exchange, self, 404, "membership: ID not found");
  if (is(status, EtcdError::member_not_learner))
    return reply_error(exchange, self, 412, "membership: can only promote a learner member");
  if (is(status, EtcdError::learner_not_ready))
    return reply_error(exchange, self, 412, text(EtcdError::learner_not_ready));
  exchange.respond(500, {{"Content-Type", "application/json"}, cluster_field(self)},
                   "{\"message\":\"Internal Server Error\"}");
}

}  // namespace

PeerEndpoints::Handler promote_endpoint(const Identity& self, server::MembershipChanges& membership,
                                        Logger& log) {
  return [&self, &membership, &log](net::HttpExchangeRef exchange) {
    if (!rpc::HttpReply(exchange, {}).require_method("POST")) return;
    const std::string_view path = exchange->request().path();
    const std::string_view digits = path.substr(std::string_view(kPromotePath).size());
    uint64_t id = 0;
    const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), id);
    if (error != std::errc() || end != digits.data() + digits.size())
      return reply_error(*exchange, self, 404,
                         fmt::format("member {} not found in cluster", digits));
    std::string token(exchange->request().field("Authorization").value_or(""));
    membership.promote(
        {.reply_on = &exchange->executor()}, MemberId(id), std::move(token),
        [&self, &log, exchange,
         id](const absl::StatusOr<server::MembershipChanges::Members>& members) {
          if (members.ok())
            return exchange->respond(200, {{"Content-Type", "application/json"}, cluster_field(self)},
                                     membership::to_json(*members));
          log.warn("failed to promote a member", {{"member-id", MemberId(id)},
                                                  {"error", message(members.status())}});
          refuse(*exchange, self, members.status());
        });
  };
}

}  // namespace holdfast::peer
