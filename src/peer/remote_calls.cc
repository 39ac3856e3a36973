#include "peer/remote_calls.h"

#include <memory>
#include <utility>

#include "base/errors.h"
#include "fmt/format.h"
#include "peer/dialer.h"
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
    done(Versions{json_text(response->body, "etcdserver"), json_text(response->body, "etcdcluster")});
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

std::string json_text(std::string_view json, std::string_view name) {
  const std::string key = fmt::format("\"{}\"", name);
  size_t at = json.find(key);
  if (at == std::string_view::npos) return {};
  at += key.size();
  const auto skip = [&](std::string_view what) { at = std::min(json.find_first_not_of(what, at), json.size()); };
  skip(" \t\r\n");
  if (at >= json.size() || json[at] != ':') return {};
  ++at;
  skip(" \t\r\n");
  if (at >= json.size() || json[at] != '"') return {};
  const size_t end = json.find('"', at + 1);
  return end == std::string_view::npos ? std::string() : std::string(json.substr(at + 1, end - at - 1));
}

}  // namespace holdfast::peer
