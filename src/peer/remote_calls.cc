#include "peer/remote_calls.h"

#include <memory>
#include <utility>

#include "base/errors.h"
#include "base/json.h"
#include "fmt/format.h"
#include "peer/dialer.h"
#include "peer/hash_messages.h"
#include "peer/headers.h"

namespace holdfast::peer {

namespace {

// A cluster's member list, with room; nothing longer is an answer to these questions.
constexpr size_t kMembersBytesMax = 4 * 1024 * 1024;

absl::Status unavailable(std::string_view text) {
  return make_status(absl::StatusCode::kUnavailable, text);
}

net::HttpClientRequest get(std::string target) {
  net::HttpClientRequest request;
  request.target = std::move(target);
  return request;
}

absl::Status check_ok(const absl::StatusOr<net::HttpResponse>& response) {
  if (!response.ok()) return response.status();
  if (response->status != 200)
    return unavailable(fmt::format("unexpected http status {}: {}", response->status, response->body));
  return absl::OkStatus();
}

}  // namespace

void RemoteCalls::ask(const Request& request, net::HttpClientRequest http, Answer answer) {
  struct Call {
    std::unique_ptr<net::HttpClient> client;
    Answer answer;
    env::Executor* reply_on;
    void finish(absl::StatusOr<net::HttpResponse> result) {
      reply_on->post([answer = std::move(answer), result = std::move(result)]() mutable {
        answer(std::move(result));
      });
    }
  };
  auto call = std::make_shared<Call>(Call{nullptr, std::move(answer), request.reply_on});  // shared by the two tasks
  const auto address = parse_address(request.url);
  if (!address) return call->finish(unavailable(fmt::format("cannot dial {}", request.url)));
  http.timeout = request.timeout;
  thread_.post([this, call, address = *address, http = std::move(http)]() mutable {
    call->client = make_client(thread_, settings_, address, kMembersBytesMax);
    call->client->send(std::move(http), [this, call](const absl::Status& status, net::HttpResponse response) {
      dispose(thread_, std::move(call->client));
      if (status.ok()) return call->finish(std::move(response));
      call->finish(unavailable(message(status)));
    });
  });
}

void RemoteCalls::get_members(const Request& request, Done<Membership> done) {
  ask(request, get("/members"), [done = std::move(done)](absl::StatusOr<net::HttpResponse> response) mutable {
    if (absl::Status s = check_ok(response); !s.ok()) return done(std::move(s));
    auto members = membership::parse_members(response->body);
    if (!members) return done(unavailable("failed to unmarshal cluster response"));
    const auto cluster = parse_hex_id(response->field("X-Etcd-Cluster-ID").value_or(""));
    if (!cluster) return done(unavailable("failed to parse cluster ID"));
    done(Membership{ClusterId(*cluster), *std::move(members)});
  });
}

void RemoteCalls::get_versions(const Request& request, Done<Versions> done) {
  ask(request, get("/version"), [done = std::move(done)](absl::StatusOr<net::HttpResponse> response) mutable {
    if (absl::Status s = check_ok(response); !s.ok()) return done(std::move(s));
    auto versions = parse_versions(response->body);
    if (!versions) return done(unavailable("failed to unmarshal version response"));
    done(*std::move(versions));
  });
}

void RemoteCalls::is_downgrading(const Request& request, Done<bool> done) {
  ask(request, get("/downgrade/enabled"),
      [done = std::move(done)](absl::StatusOr<net::HttpResponse> response) mutable {
        if (absl::Status s = check_ok(response); !s.ok()) return done(std::move(s));
        std::string_view body = response->body;
        while (body.ends_with('\n')) body.remove_suffix(1);
        if (body != "true" && body != "false")
          return done(unavailable(fmt::format("unexpected answer {}", response->body)));
        done(body == "true");
      });
}

void RemoteCalls::get_hash(const Request& request, ClusterId cluster, Revision revision,
                           Done<mvcc::HashResult> done) {
  net::HttpClientRequest http = get(kHashKvPath);
  http.fields.emplace_back("Content-Type", "application/json");
  http.fields.emplace_back("X-Etcd-Cluster-ID", hex_id(cluster.value));
  http.body = hash_request_json(revision);
  ask(request, std::move(http), [done = std::move(done)](absl::StatusOr<net::HttpResponse> response) mutable {
    if (!response.ok()) return done(response.status());
    const auto says = [&](std::string_view words) { return response->body.find(words) != std::string::npos; };
    if (response->status == 400 && says(text(EtcdError::compacted))) return done(error(EtcdError::compacted));
    if (response->status == 400 && says(text(EtcdError::future_rev))) return done(error(EtcdError::future_rev));
    if (response->status == 412 && says(kClusterIdMismatch)) return done(error(EtcdError::cluster_id_mismatch));
    if (absl::Status s = check_ok(response); !s.ok()) return done(std::move(s));
    const auto hash = parse_hash_answer(response->body);
    if (!hash) return done(unavailable("failed to unmarshal hashKV response"));
    done(*hash);
  });
}

void RemoteCalls::promote(const Request& request, MemberId id, const std::string& token,
                          Done<std::vector<membership::Member>> done) {
  net::HttpClientRequest http;
  http.method = "POST";
  http.target = fmt::format("/members/promote/{}", id.value);
  if (!token.empty()) http.fields.emplace_back("Authorization", token);
  ask(request, std::move(http), [done = std::move(done)](absl::StatusOr<net::HttpResponse> response) mutable {
    if (!response.ok()) return done(response.status());
    const std::string& body = response->body;
    const auto unknown = [&] {
      return make_status(absl::StatusCode::kUnknown, fmt::format("member promote: unknown error({})", body));
    };
    const auto says = [&](EtcdError which) {
      std::string_view words = text(which);
      if (words.starts_with("etcdserver: ")) words.remove_prefix(12);
      return body.find(words) != std::string::npos;
    };
    switch (response->status) {
      case 200: {
        auto members = membership::parse_members(body);
        if (!members) return done(unknown());
        return done(*std::move(members));
      }
      case 408: return done(error(EtcdError::timeout));
      case 404: return done(error(EtcdError::member_not_found));
      case 412:
        if (says(EtcdError::learner_not_ready)) return done(error(EtcdError::learner_not_ready));
        if (says(EtcdError::member_not_learner)) return done(error(EtcdError::member_not_learner));
        return done(unknown());
      default: return done(unknown());
    }
  });
}

std::optional<server::RemoteCluster::Versions> parse_versions(std::string_view json) {
  server::RemoteCluster::Versions versions;
  json::Reader reader(json);
  const bool ok = reader.object([&](std::string_view name, json::Reader& value) {
    if (json::same_name(name, "etcdserver")) return value.string(versions.server);
    if (json::same_name(name, "etcdcluster")) return value.string(versions.cluster);
    return value.skip();
  });
  return ok && reader.at_end() ? std::optional(std::move(versions)) : std::nullopt;
}

}  // namespace holdfast::peer
