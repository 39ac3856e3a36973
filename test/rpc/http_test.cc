// The HTTP end points, letter by letter, over a real socket.
#include <gmock/gmock.h>

#include "rpc/gzip.h"
#include "test/rpc/rpc_world.h"

namespace holdfast::rpc {
namespace {

constexpr const char* kPlain = "text/plain; charset=utf-8";

class HttpTest : public testing::Test {
 protected:
  RpcWorld rpc;
};

TEST_F(HttpTest, Health) {  // HTTP-04, MET-13, TRP-62, HTTP-06
  HttpAnswer answer = rpc.get("/health");
  EXPECT_EQ(answer.status, 200);
  EXPECT_EQ(answer.body, R"({"health":"true","reason":""})");
  EXPECT_EQ(answer.field("Content-Type"), kPlain);
  EXPECT_EQ(rpc.w.reader.reads, 1);
  EXPECT_EQ(rpc.w.metrics.value("etcd_server_health_success{}"), 1);

  rpc.w.member.alarms_now = {{MemberId(1), apply::AlarmType::nospace}};
  answer = rpc.get("/health");
  EXPECT_EQ(answer.status, 503);
  EXPECT_EQ(answer.body, "{\"health\":\"false\",\"reason\":\"ALARM NOSPACE\"}\n");
  EXPECT_EQ(answer.field("X-Content-Type-Options"), "nosniff");
  EXPECT_EQ(rpc.w.metrics.value("etcd_server_health_failures{}"), 1);
  EXPECT_EQ(rpc.get("/health?exclude=NOSPACE").status, 200);
  EXPECT_EQ(rpc.get("/health?exclude=CORRUPT").status, 503);
  rpc.w.member.alarms_now.push_back({MemberId(1), apply::AlarmType::corrupt});
  EXPECT_EQ(rpc.get("/health?exclude=NOSPACE").body,
            "{\"health\":\"false\",\"reason\":\"ALARM CORRUPT\"}\n");
  EXPECT_EQ(rpc.get("/health?exclude=NOSPACE&exclude=CORRUPT").status, 200);
}

TEST_F(HttpTest, HealthWithoutLeaderOrQuorum) {  // HTTP-04
  rpc.w.member.leader_id = 0;
  EXPECT_EQ(rpc.get("/health").body, "{\"health\":\"false\",\"reason\":\"RAFT NO LEADER\"}\n");
  EXPECT_EQ(rpc.get("/health?serializable=true").body, R"({"health":"true","reason":""})");
  EXPECT_EQ(rpc.w.reader.reads, 0);
  rpc.w.member.leader_id = 1;
  rpc.w.reader.set(error(EtcdError::timeout));
  EXPECT_EQ(rpc.get("/health").body,
            "{\"health\":\"false\",\"reason\":\"RANGE ERROR:etcdserver: request timed out\"}\n");
}

TEST_F(HttpTest, OnlyGet) {
  for (const char* path :
       {"/health", "/livez", "/readyz", "/readyz/non_learner", "/version", "/debug/vars"}) {
    const HttpAnswer answer =
        rpc.http_request("POST", path, "Host: localhost\r\nContent-Length: 0\r\n");
    EXPECT_EQ(answer.status, 405) << path;
    EXPECT_EQ(answer.body, "Method Not Allowed\n") << path;
    EXPECT_EQ(answer.field("Allow"), "GET") << path;
  }
}

TEST_F(HttpTest, Livez) {  // HTTP-05, MET-13, TRP-62, VD-05
  HttpAnswer answer = rpc.get("/livez");
  EXPECT_EQ(answer.status, 200);
  EXPECT_EQ(answer.body, "ok\n");
  EXPECT_EQ(answer.field("Content-Type"), kPlain);
  EXPECT_EQ(answer.field("X-Content-Type-Options"), "nosniff");
  EXPECT_EQ(rpc.get("/livez?verbose").body, "[+]serializable_read ok\nok\n");
  EXPECT_EQ(rpc.get("/livez/serializable_read").body, "ok\n");
  EXPECT_EQ(rpc.get("/livez/serializable_read?verbose=x").body, "[+]serializable_read ok\nok\n");
  EXPECT_EQ(rpc.get("/livez?exclude=serializable_read&verbose").body, "ok\n");
  EXPECT_EQ(rpc.get("/livez/linearizable_read").status, 404);
  EXPECT_EQ(rpc.get("/livez/").status, 404);
  EXPECT_EQ(rpc.w.metrics.value("etcd_server_healthcheck{type=livez,name=serializable_read,}"), 1);
  EXPECT_EQ(
      rpc.w.metrics.value(
          "etcd_server_healthchecks_total{type=livez,name=serializable_read,status=success,}"),
      4);
}

TEST_F(HttpTest, Readyz) {  // HTTP-05, TRP-62, VD-05
  EXPECT_EQ(rpc.get("/readyz").body, "ok\n");
  EXPECT_EQ(rpc.get("/readyz?verbose").body,
            "[+]data_corruption ok\n[+]serializable_read ok\n[+]linearizable_read ok\n"
            "[+]non_learner ok\nok\n");
  rpc.w.member.alarms_now = {{MemberId(1), apply::AlarmType::corrupt}};
  rpc.w.reader.set(error(EtcdError::leader_changed));
  rpc.w.member.learner = true;
  const HttpAnswer answer = rpc.get("/readyz");
  EXPECT_EQ(answer.status, 503);
  EXPECT_EQ(answer.body,
            "[-]data_corruption failed: alarm activated: CORRUPT\n[+]serializable_read ok\n"
            "[-]linearizable_read failed: etcdserver: leader changed\n"
            "[-]non_learner failed: not supported for learner\n\n");
  EXPECT_EQ(
      rpc.get("/readyz?exclude=data_corruption&exclude=linearizable_read&exclude=non_learner").body,
      "ok\n");
  EXPECT_EQ(rpc.get("/readyz/data_corruption").body,
            "[-]data_corruption failed: alarm activated: CORRUPT\n\n");
  EXPECT_EQ(rpc.get("/readyz/serializable_read").status, 200);
}

TEST_F(HttpTest, UnknownExclusionsAreLogged) {  // HTTP-05
  EXPECT_EQ(rpc.get("/livez?exclude=b&exclude=a").status, 200);
  EXPECT_THAT(rpc.w.log.lines(),
              testing::Contains(
                  R"(some health checks cannot be excluded missing-health-checks="\"a\",\"b\"")"));
}

TEST_F(HttpTest, Version) {  // HTTP-07
  HttpAnswer answer = rpc.get("/version");
  EXPECT_EQ(answer.body, R"({"etcdserver":"3.7.1","etcdcluster":"3.7.0","storage":"3.7.0"})");
  EXPECT_EQ(answer.field("Content-Type"), "application/json");
  rpc.w.member.cluster_now = std::make_shared<membership::Cluster>();
  rpc.w.member.storage = "";
  EXPECT_EQ(rpc.get("/version").body,
            R"({"etcdserver":"3.7.1","etcdcluster":"not_decided","storage":"unknown"})");
}

TEST_F(HttpTest, MetricsCompressed) {  // HTTP-08
  const auto ask = [&](const std::string& accept) {
    return rpc.http_request("GET", "/metrics", "Host: localhost\r\nAccept-Encoding: " + accept + "\r\n");
  };
  const HttpAnswer packed = ask("deflate, gzip;q=0.9");
  EXPECT_EQ(packed.field("Content-Encoding"), "gzip");
  EXPECT_THAT(packed.field("Content-Type"), testing::StartsWith("text/plain; version=0.0.4"));
  EXPECT_EQ(packed.body, gzip("metric 1\n"));
  EXPECT_EQ(packed.body.substr(0, 2), "\x1f\x8b");
  for (const char* accept : {"identity", "gzip;q=0", "br, gzip; q=0.0", "*;q=0"}) EXPECT_EQ(ask(accept).body, "metric 1\n");
  EXPECT_EQ(ask("*").field("Content-Encoding"), "gzip");
}

TEST_F(HttpTest, MetricsAndDebugVars) {  // HTTP-08, HTTP-09
  const HttpAnswer metrics = rpc.get("/metrics");
  EXPECT_EQ(metrics.body, "metric 1\n");
  EXPECT_THAT(metrics.field("Content-Type"),
              testing::StartsWith("text/plain; version=0.0.4; charset=utf-8"));
  EXPECT_EQ(rpc.w.metrics.value("promhttp_metric_handler_requests_total{code=200,}"), 1);
  const HttpAnswer vars = rpc.get("/debug/vars");
  EXPECT_EQ(vars.field("Content-Type"), "application/json; charset=utf-8");
  EXPECT_EQ(vars.body,
            "{\n\"cmdline\": [\"holdfast\"],\n\"file_descriptor_limit\": 1024,\n"
            "\"raft.status\": {\"id\":\"abc\"}\n}\n");
}

// HTTP-10: what etcd's default has. --enable-pprof is taken and changes nothing: the profiles are of Go's runtime.
TEST_F(HttpTest, NoProfiles) {
  for (const char* path : {"/debug/pprof", "/debug/pprof/", "/debug/pprof/heap", "/debug/pprof/profile",
                           "/debug/requests", "/debug/events"})
    EXPECT_EQ(rpc.get(path).status, 404) << path;
}

// PRX-12: nothing of v2.
TEST_F(HttpTest, UnknownPath) {  // HTTP-13
  for (const char* path : {"/", "/v2", "/v2/keys", "/v2/members", "/v2/stats/self", "/members", "/v4/kv/range", "/healthz"}) {
    const HttpAnswer answer = rpc.get(path);
    EXPECT_EQ(answer.status, 404) << path;
    EXPECT_EQ(answer.body, "404 page not found\n");
    EXPECT_EQ(answer.field("Content-Type"), kPlain);
    EXPECT_EQ(answer.field("Access-Control-Allow-Origin"), "*");
  }
}

// What Go's mux does before anything is looked up.
TEST_F(HttpTest, UncleanPathsAreSentOn) {
  for (const auto& [path, location] : std::vector<std::pair<std::string, std::string>>{
           {"//v3/kv/range", "/v3/kv/range"},
           {"/v3/./kv//range/", "/v3/kv/range/"},
           {"/x/../health?serializable=true", "/health?serializable=true"},
           {"/../..", "/"},
           {"/v3", "/v3/"},
           {"/a//b%20c", "/a/b%2520c"}}) {
    const HttpAnswer posted = rpc.http_request("POST", path);
    EXPECT_EQ(posted.status, 307) << path;
    EXPECT_EQ(posted.field("Location"), location);
    EXPECT_EQ(posted.field("Access-Control-Allow-Origin"), "*");
    EXPECT_EQ(posted.body, "");
  }
  const HttpAnswer got = rpc.get("//health?a=1&b=2");
  EXPECT_EQ(got.body, "<a href=\"/health?a=1&amp;b=2\">Temporary Redirect</a>.\n\n");
  EXPECT_EQ(got.field("Content-Type"), "text/html; charset=utf-8");
  EXPECT_EQ(rpc.get("/health/").status, 404);
}

TEST_F(HttpTest, CorsForAll) {  // HTTP-12
  for (const HttpAnswer& answer : {rpc.get("/version"), rpc.http_request("OPTIONS", "/anything")}) {
    EXPECT_EQ(answer.status, 200);
    EXPECT_EQ(answer.field("Access-Control-Allow-Methods"), "POST, GET, OPTIONS, PUT, DELETE");
    EXPECT_EQ(answer.field("Access-Control-Allow-Origin"), "*");
    EXPECT_EQ(answer.field("Access-Control-Allow-Headers"), "accept, content-type, authorization");
  }
  EXPECT_EQ(rpc.http_request("OPTIONS", "/anything").body, "");
}

TEST(HttpAccess, CorsForSome) {  // HTTP-12
  RpcWorld rpc({.http = {.cors_origins = {"http://good"}}});
  EXPECT_EQ(rpc.http_request("GET", "/version", "Host: h\r\nOrigin: http://good\r\n")
                .field("Access-Control-Allow-Origin"),
            "http://good");
  EXPECT_EQ(rpc.http_request("GET", "/version", "Host: h\r\nOrigin: http://bad\r\n")
                .field("Access-Control-Allow-Methods"),
            "");
}

TEST(HttpAccess, HostWhitelist) {  // HTTP-11
  RpcWorld rpc({.http = {.host_whitelist = {"good", "127.0.0.1"}}});
  EXPECT_EQ(rpc.http_request("GET", "/version", "Host: good:2379\r\n").status, 200);
  EXPECT_EQ(rpc.http_request("GET", "/version", "Host: 127.0.0.1\r\n").status, 200);
  const HttpAnswer answer = rpc.http_request("GET", "/health", "Host: evil:2379\r\n");
  EXPECT_EQ(answer.status, 421);
  EXPECT_EQ(answer.body, R"(
etcd received your request, but the Host header was unrecognized.

To fix this, choose one of the following options:
- Enable TLS, then any HTTPS request will be allowed.
- Add the hostname you want to use to the whitelist in settings.
  - e.g. etcd --host-whitelist "evil"

This requirement has been added to help prevent "DNS Rebinding" attacks (CVE-2018-5702).

)");
  EXPECT_EQ(answer.field("Content-Type"), kPlain);
}

TEST(HttpAccess, MetricsPort) {  // HTTP-14
  RpcWorld rpc({.http = {.port = HttpEndpoints::Port::metrics, .host_whitelist = {"good"}}});
  EXPECT_EQ(rpc.get("/metrics").status, 200);
  EXPECT_EQ(rpc.get("/health").status, 200);
  EXPECT_EQ(rpc.get("/livez").status, 200);
  EXPECT_EQ(rpc.get("/readyz").status, 200);
  EXPECT_EQ(rpc.get("/version").status, 404);
  EXPECT_EQ(rpc.get("/health").field("Access-Control-Allow-Origin"), "");
}

TEST(HttpPieces, HostName) {
  EXPECT_EQ(host_name("a:1"), "a");
  EXPECT_EQ(host_name("a"), "a");
  EXPECT_EQ(host_name("[::1]:2379"), "::1");
  EXPECT_EQ(host_name("[::1]"), "[::1]");
  EXPECT_EQ(host_name("localhost:::"), "localhost:::");
  EXPECT_EQ(host_name(""), "");
  EXPECT_EQ(host_name("::1"), "::1");
}

TEST(HttpPieces, Query) {
  const QueryPairs pairs = parse_query("a=1&b=%41+x&&c;d=2&bad=%zz&e&a=2&%61=3");
  EXPECT_EQ(query_set(pairs, "a"), (std::vector<std::string>{"1", "2", "3"}));
  EXPECT_EQ(query_set(pairs, "b"), (std::vector<std::string>{"A x"}));
  EXPECT_EQ(pairs.size(), 5u);  // e too, with an empty value
  EXPECT_TRUE(query_set(pairs, "e").empty());
}

}  // namespace
}  // namespace holdfast::rpc
