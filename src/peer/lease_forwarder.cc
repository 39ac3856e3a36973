#include "peer/lease_forwarder.h"

#include <algorithm>
#include <utility>

#include "base/errors.h"
#include "fmt/format.h"
#include "peer/address.h"
#include "peer/dialer.h"
#include "peer/lease_messages.h"

namespace holdfast::peer {

namespace {

// What a keep-alive costs is the way there and back: sixteen at once are 16,000 a second at a
// millisecond.
constexpr size_t kConnectionsMax = 16;
// URLs that are kept connected; members change seldom, and the old leader's go when too many have
// led.
constexpr size_t kLeadersMax = 16;

absl::Status unreachable(std::string_view why) {
  return make_status(absl::StatusCode::kUnavailable, why);
}

absl::StatusOr<std::string> read_answer(const absl::Status& status, net::HttpResponse response) {
  if (!status.ok()) return status;
  switch (response.status) {
    case 200:
      return std::move(response.body);
    case 404:
      return error(EtcdError::lease_not_found);
    case 408:
      return unreachable(kApplyTimeout);
    default:
      return unreachable(fmt::format("lease: unknown error({})", response.body));
  }
}

}  // namespace

LeaseForwarder::LeaseForwarder(net::IoThread& thread, TransportSettings settings)
    : thread_(thread), settings_(std::move(settings)) {}

LeaseForwarder::~LeaseForwarder() = default;

void LeaseForwarder::stop() {
  stopped_ = true;
  for (auto& [url, leader] : leaders_)
    for (Connection& connection : leader.connections)
      dispose(thread_, std::move(connection.client));
  leaders_.clear();
}

LeaseForwarder::Connection* LeaseForwarder::connection_to(const std::string& url) {
  const auto address = parse_address(url);
  if (!address) return nullptr;
  if (!leaders_.contains(url) && leaders_.size() >= kLeadersMax) {
    for (Connection& old : leaders_.begin()->second.connections)
      dispose(thread_, std::move(old.client));
    leaders_.erase(leaders_.begin());
  }
  std::vector<Connection>& connections = leaders_[url].connections;
  const auto least = std::min_element(
      connections.begin(), connections.end(),
      [](const Connection& a, const Connection& b) { return a.under_way < b.under_way; });
  if (least != connections.end() &&
      (least->under_way == 0 || connections.size() >= kConnectionsMax))
    return &*least;
  connections.reserve(kConnectionsMax);
  connections.push_back({make_client(thread_, settings_, *address)});
  return &connections.back();
}

void LeaseForwarder::ask_now(const std::string& url, const char* path, std::string body,
                             env::Duration patience, Answered answered) {
  if (stopped_) return answered(error(EtcdError::stopped));
  Connection* connection = connection_to(url);
  if (connection == nullptr) return answered(unreachable("no such URL can be dialled"));
  ++connection->under_way;
  net::HttpClientRequest request;
  request.method = "POST";
  request.target = path;
  request.fields = {{"Content-Type", "application/protobuf"}};
  request.body = std::move(body);
  request.timeout = patience;
  net::HttpClient* client = connection->client.get();
  client->send(std::move(request),
               [this, url, client, answered = std::move(answered)](
                   const absl::Status& status, net::HttpResponse response) mutable {
                 // The connection may be gone, or another in its place.
                 if (const auto leader = leaders_.find(url); leader != leaders_.end())
                   for (Connection& connection : leader->second.connections)
                     if (connection.client.get() == client) --connection.under_way;
                 answered(read_answer(status, std::move(response)));
               });
}

void LeaseForwarder::ask(Question question, const char* path, std::string body, Answered answered) {
  thread_.post([this, question = std::move(question), path, body = std::move(body),
                answered = std::move(answered)]() mutable {
    ask_now(
        question.url, path, std::move(body), question.patience,
        [reply_on = question.reply_on,
         answered = std::move(answered)](absl::StatusOr<std::string> answer) mutable {
          reply_on->post([answered = std::move(answered), answer = std::move(answer)]() mutable {
            answered(std::move(answer));
          });
        });
  });
}

void LeaseForwarder::renew(Question question, UniqueFunction<void(absl::StatusOr<int64_t>)> done) {
  const LeaseId id = question.id;
  ask(std::move(question), kLeasesPath, encode_renew_request(id),
      [id, done = std::move(done)](absl::StatusOr<std::string> body) mutable {
        if (!body.ok()) return done(body.status());
        const auto answer = decode_renew_answer(*body);
        if (!answer || answer->id != id) return done(unreachable("lease: renew id mismatch"));
        done(answer->ttl);
      });
}

void LeaseForwarder::time_to_live(Question question, server::LeaseKeys keys,
                                  UniqueFunction<void(absl::StatusOr<server::LeaseInfo>)> done) {
  const LeaseId id = question.id;
  ask(std::move(question), kLeasesInternalPath, encode_lookup_request({id, keys}),
      [id, done = std::move(done)](absl::StatusOr<std::string> body) mutable {
        if (!body.ok()) return done(body.status());
        auto answer = decode_lookup_answer(*body);
        if (!answer || answer->id != id) return done(unreachable("lease: TTL id mismatch"));
        done(std::move(answer->info));
      });
}

}  // namespace holdfast::peer
