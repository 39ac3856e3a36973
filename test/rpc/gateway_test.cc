// The JSON gateway on a client port, over HTTP/1.1 and a websocket. GW-01 GW-02 GW-06 GW-07 GW-08 GW-09 GW-10 GW-12
#include "rpc/gateway.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/time.h>

#include "base/errors.h"
#include "rpc/gateway_metadata.h"
#include "test/rpc/rpc_world.h"

namespace holdfast::rpc {
namespace {

using testing::HasSubstr;
using testing::StartsWith;

constexpr char kHost[] = "Host: localhost\r\n";

// A socket that reads until what it waits for is there; at most a few seconds, then the test fails.
class RawClient {
 public:
  explicit RawClient(uint16_t port) : fd_(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    timeval patience{20, 0};
    setsockopt(fd_, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    EXPECT_EQ(connect(fd_, reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
  }
  ~RawClient() { close(fd_); }
  void send(std::string_view bytes) {
    EXPECT_EQ(write(fd_, bytes.data(), bytes.size()), static_cast<ssize_t>(bytes.size()));
  }
  // Everything up to and with `end`.
  std::string read_until(std::string_view end) {
    while (input_.find(end) == std::string::npos && read_some()) {
    }
    const size_t at = input_.find(end);
    EXPECT_NE(at, std::string::npos) << "no " << end << " in: " << input_;
    std::string out = input_.substr(0, at + end.size());
    input_.erase(0, out.size());
    return out;
  }
  std::string read_bytes(size_t size) {
    while (input_.size() < size && read_some()) {
    }
    EXPECT_GE(input_.size(), size);
    std::string out = input_.substr(0, size);
    input_.erase(0, out.size());
    return out;
  }
  std::string read_to_end() {
    while (read_some()) {
    }
    return std::exchange(input_, {});
  }

 private:
  bool read_some() {
    char buffer[4096];
    const ssize_t n = ::read(fd_, buffer, sizeof buffer);
    if (n > 0) input_.append(buffer, static_cast<size_t>(n));
    return n > 0;
  }
  const int fd_;
  std::string input_;
};

std::string ws_frame(unsigned first, std::string_view payload) {
  std::string out = {static_cast<char>(first), static_cast<char>(0x80 | payload.size()), 'a', 'b', 'c', 'd'};
  for (size_t i = 0; i < payload.size(); ++i) out += static_cast<char>(payload[i] ^ "abcd"[i & 3]);
  return out;
}

struct GatewayTest : testing::Test, RpcWorld {
  explicit GatewayTest(Options options = {}) : RpcWorld(std::move(options)) {}
  HttpAnswer post(const std::string& target, const std::string& body, const std::string& fields = kHost) {
    return http_request("POST", target, fields, body);
  }
  void grant(int64_t id, int64_t ttl) {
    ASSERT_TRUE(leases.lessor.grant(LeaseId(id), ttl, clock.now()).ok());
  }
  std::string header(int64_t revision) const {
    return fmt::format(R"("header":{{"cluster_id":"3567","member_id":"2748","revision":"{}","raft_term":"7"}})",
                       revision);
  }
  // A client that has upgraded.
  std::unique_ptr<RawClient> websocket(const std::string& path, const std::string& fields = "") {
    auto client = std::make_unique<RawClient>(listener->port());
    client->send(fmt::format("GET {} HTTP/1.1\r\n{}Connection: keep-alive, Upgrade\r\nUpgrade: websocket\r\n"
                             "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n{}\r\n",
                             path, kHost, fields));
    head = client->read_until("\r\n\r\n");
    EXPECT_THAT(head, StartsWith("HTTP/1.1 101 Switching Protocols\r\n"));
    EXPECT_THAT(head, HasSubstr("Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n"));
    return client;
  }
  std::string head;
};

TEST_F(GatewayTest, Unary) {
  HttpAnswer answer = post("/v3/kv/put", R"({"key":"Zm9v","value":"YmFy"})");
  EXPECT_EQ(answer.status, 200);
  EXPECT_EQ(answer.field("Content-Type"), "application/json");
  EXPECT_EQ(answer.field("Grpc-Metadata-Content-Type"), "application/grpc");
  EXPECT_EQ(answer.body, "{" + header(2) + "}");
  // GW-06; unknown fields, and what follows the first value, are passed over.
  answer = post("/v3beta/kv/range", R"({"key":"Zm9v","none":[]} trailing)");
  EXPECT_EQ(answer.body, "{" + header(2) + R"(,"kvs":[{"key":"Zm9v","create_revision":"2","mod_revision":"2",)"
                                           R"("version":"1","value":"YmFy"}],"count":"1"})");
  EXPECT_EQ(w.metrics.value("grpc_server_handled_total{grpc_type=unary,grpc_service=etcdserverpb.KV,"
                            "grpc_method=Range,grpc_code=OK,}"),
            1);
}

TEST_F(GatewayTest, ErrorsHaveStatusAndBody) {
  HttpAnswer answer = post("/v3/kv/range", "{}");
  EXPECT_EQ(answer.status, 400);
  EXPECT_EQ(answer.field("Content-Type"), "application/json");
  EXPECT_EQ(answer.body, R"({"code":3,"message":"etcdserver: key is not provided"})");
  EXPECT_EQ(post("/v3/kv/range", "").body, answer.body);  // an empty body is an empty message
  answer = post("/v3/kv/range", "{'");
  EXPECT_EQ(answer.status, 400);
  EXPECT_EQ(answer.body,
            R"({"code":3,"message":"invalid character '\\'' looking for beginning of object key string"})");
  answer = post("/v3/kv/range", R"({"key":1})");
  EXPECT_EQ(answer.body,
            R"({"code":3,"message":"proto: (line 1:8): invalid value for bytes field key: 1"})");
  answer = post("/v3/lease/revoke", R"({"ID":7})");
  EXPECT_EQ(answer.status, 404);
  EXPECT_EQ(answer.body, R"({"code":5,"message":"etcdserver: requested lease not found"})");
  answer = post("/v3/kv/none", "{}");
  EXPECT_EQ(answer.status, 404);
  EXPECT_EQ(answer.body, R"({"code":5,"message":"Not Found"})");
  answer = get("/v3/kv/put");
  EXPECT_EQ(answer.status, 501);
  EXPECT_EQ(answer.body, R"({"code":12,"message":"Method Not Allowed"})");
  answer = post("/v3/election/leader", R"({"name":"eA=="})");
  EXPECT_EQ(answer.status, 500);
  EXPECT_EQ(answer.body, R"({"code":2,"message":"election: no leader"})");
  answer = post("/v3/kv/range", "{}", std::string(kHost) + "Grpc-Timeout: soon\r\n");
  EXPECT_EQ(answer.body, R"({"code":3,"message":"invalid grpc-timeout: soon"})");
}

TEST_F(GatewayTest, AMessageAboveTheLimitIsRefusedAsGrpcRefusesIt) {
  const HttpAnswer answer =
      post("/v3/kv/put", R"({"key":"YQ==","value":")" + std::string(2'800'000, 'A') + "\"}");
  EXPECT_EQ(answer.status, 429);
  EXPECT_THAT(answer.body, HasSubstr("grpc: received message larger than max"));
}

TEST_F(GatewayTest, EveryAnswerCarriesCors) {
  EXPECT_EQ(post("/v3/kv/range", "{}").field("Access-Control-Allow-Origin"), "*");
  EXPECT_EQ(post("/v3/lease/keepalive", "{}").field("Access-Control-Allow-Origin"), "*");
  EXPECT_EQ(http_request("OPTIONS", "/v3/lease/keepalive").status, 200);
}

TEST_F(GatewayTest, KeepAliveAnswersInLines) {
  grant(7, 10);
  const HttpAnswer answer = post("/v3/lease/keepalive", R"({"ID":"7"}{"ID":8})");
  EXPECT_EQ(answer.status, 200);
  EXPECT_EQ(answer.field("Transfer-Encoding"), "chunked");
  EXPECT_THAT(answer.body, HasSubstr("{\"result\":{" + header(1) + ",\"ID\":\"7\",\"TTL\":\"10\"}}\n"));
  EXPECT_THAT(answer.body, HasSubstr("{\"result\":{" + header(1) + ",\"ID\":\"8\"}}\n"));
  // grpc-gateway: what can't be read ends the requests, without a word.
  const HttpAnswer broken = post("/v3/lease/keepalive", R"({"ID":"7"}{"ID":)");
  EXPECT_EQ(broken.status, 200);
  EXPECT_THAT(broken.body, HasSubstr("\"TTL\":\"10\""));
  EXPECT_EQ(post("/v3/lease/keepalive", "?").body, "");
}

TEST_F(GatewayTest, AStreamAnswersBeforeTheBodyEnds) {
  grant(7, 10);
  RawClient client(listener->port());
  client.send(std::string("POST /v3/lease/keepalive HTTP/1.1\r\n") + kHost + "Transfer-Encoding: chunked\r\n\r\n");
  for (int i = 0; i < 3; ++i) {
    client.send("6\r\n{\"ID\":\r\n4\r\n\"7\"}\r\n");
    EXPECT_THAT(client.read_until("}}\n"), HasSubstr("\"TTL\":\"10\""));
  }
  client.send("0\r\n\r\n");
  client.read_until("0\r\n\r\n");
  EXPECT_EQ(client.read_to_end(), "");
}

TEST_F(GatewayTest, AStreamsErrorIsALine) {
  w.member.learner = true;
  const HttpAnswer answer = post("/v3/lease/keepalive", "{}");
  EXPECT_EQ(answer.status, 400);
  EXPECT_EQ(answer.body,
            "{\"error\":{\"code\":9,\"message\":\"etcdserver: rpc not supported for learner\"}}\n");
}

TEST_F(GatewayTest, ALeavingClientCancelsItsCall) {
  grant(7, 10);
  {
    RawClient client(listener->port());
    client.send(std::string("POST /v3/lease/keepalive HTTP/1.1\r\n") + kHost +
                "Transfer-Encoding: chunked\r\n\r\n6\r\n{\"ID\":\r\n4\r\n\"7\"}\r\n");
    client.read_until("}}\n");
  }
  const std::string cancelled =
      "grpc_server_handled_total{grpc_type=bidi_stream,grpc_service=etcdserverpb.Lease,"
      "grpc_method=LeaseKeepAlive,grpc_code=Canceled,}";
  while (w.metrics.value(cancelled) != 1) sched_yield();
}

TEST_F(GatewayTest, WebSocket) {
  grant(7, 10);
  auto client = websocket("/v3/lease/keepalive", "Sec-WebSocket-Protocol: Bearer, secret\r\n");
  EXPECT_THAT(head, HasSubstr("Sec-WebSocket-Protocol: Bearer\r\n"));
  for (int i = 0; i < 2; ++i) {
    client->send(ws_frame(0x81, R"({"ID":"7"})"));
    EXPECT_EQ(client->read_bytes(2)[0], '\x81');
    EXPECT_THAT(client->read_until("}}"), HasSubstr("\"TTL\":\"10\""));
  }
  client->send(ws_frame(0x89, "hello"));
  EXPECT_EQ(client->read_bytes(7), "\x8a\x05hello");
  client->send(ws_frame(0x88, "\x03\xe8"));
  EXPECT_EQ(client->read_to_end(), "\x88\x02\x03\xe8");
}

TEST_F(GatewayTest, WebSocketErrors) {
  auto client = websocket("/v3/nothing");
  EXPECT_THAT(client->read_to_end(), HasSubstr(R"({"code":5,"message":"Not Found"})"));
  client = websocket("/v3/lease/keepalive");
  client->send("not a frame of a client");
  EXPECT_EQ(client->read_to_end(), "\x88\x02\x03\xea");
  w.member.learner = true;
  client = websocket("/v3/lease/keepalive");
  EXPECT_THAT(client->read_to_end(),
              HasSubstr("{\"error\":{\"code\":9,\"message\":\"etcdserver: rpc not supported for learner\"}}"));
  const std::string upgrade = std::string(kHost) + "Connection: Upgrade\r\nUpgrade: websocket\r\n";
  EXPECT_EQ(http_request("GET", "/v3/watch", upgrade).status, 400);
  EXPECT_EQ(http_request("GET", "/v3/watch", upgrade + "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: x\r\n").body,
            "Bad Request\n");
  EXPECT_EQ(http_request("POST", "/v3/watch", upgrade).status, 405);
}

struct GuardedGatewayTest : GatewayTest {
  GuardedGatewayTest() : GatewayTest({.http = {.host_whitelist = {"etcd.example"}}}) {}
};

TEST_F(GuardedGatewayTest, TheHostIsCheckedForStreamsToo) {  // HTTP-11
  EXPECT_EQ(post("/v3/lease/keepalive", "{}").status, 421);
  EXPECT_EQ(post("/v3/lease/keepalive", "{}", "Host: etcd.example\r\n").status, 200);
}

TEST(GatewayMetadata, WhatReachesTheMethod) {
  net::HttpRequest request;
  request.fields = {{"Host", "h:1"}, {"Authorization", "tok"}, {"Grpc-Metadata-hasLeader", "true"},
                    {"Grpc-Metadata-X-Bin", "AAE="}, {"Accept", "*/*"}, {"X-Forwarded-For", "1.2.3.4"},
                    {"X-Other", "no"}, {"User-Agent", "curl"}, {"Grpc-Timeout", "5S"}, {"Cookie", "caf\xe9"}};
  const auto metadata = gateway_metadata(request, "10.0.0.1:5", {});
  ASSERT_TRUE(metadata.ok());
  const auto find = [&](std::string_view name) { return metadata->fields.find(name).value_or("none"); };
  EXPECT_EQ(find("authorization"), "tok");
  EXPECT_EQ(find("grpcgateway-authorization"), "tok");
  EXPECT_EQ(find("hasleader"), "true");
  EXPECT_EQ(find("x-bin"), std::string_view("\0\1", 2));
  EXPECT_EQ(find("grpcgateway-accept"), "*/*");  // GEN-16
  EXPECT_EQ(find("grpcgateway-user-agent"), "curl");
  EXPECT_EQ(find("grpcgateway-cookie"), "none");
  EXPECT_EQ(find("x-forwarded-for"), "1.2.3.4, 10.0.0.1");
  EXPECT_EQ(find("x-forwarded-host"), "h:1");
  EXPECT_EQ(find("x-other"), "none");
  EXPECT_EQ(metadata->timeout, std::chrono::seconds(5));
  const auto token = gateway_metadata(request, "10.0.0.1:5", "Bearer t");
  EXPECT_EQ(token->fields.find("authorization"), "Bearer t");
}

TEST(GatewayMetadata, TokenOfAWebsocket) {  // GW-10, VD-23
  const auto token = [](net::HttpFields fields) {
    net::HttpRequest request;
    request.fields = std::move(fields);
    return websocket_token(request);
  };
  EXPECT_EQ(token({}), std::nullopt);
  EXPECT_EQ(token({{"Sec-WebSocket-Protocol", "Bearer, secret "}}), "Bearer secret");
  EXPECT_EQ(token({{"Sec-WebSocket-Protocol", "chat"}}), "");  // takes the place of what else might speak for the client
  EXPECT_EQ(token({{"Cookie", "a=b; token=t1"}}), "Bearer t1");
  EXPECT_EQ(token({{"Sec-WebSocket-Protocol", "Bearer, secret"}, {"Cookie", "token=t1; c=d"}}), "Bearer t1");
}

TEST(GatewayMetadata, StatusOfCodes) {  // GW-08
  const std::vector<std::pair<int, int>> table = {{1, 499}, {2, 500}, {3, 400}, {4, 504}, {5, 404}, {6, 409},
                                                  {7, 403}, {8, 429}, {9, 400}, {10, 409}, {11, 400}, {12, 501},
                                                  {13, 500}, {14, 503}, {15, 500}, {16, 401}};
  for (const auto& [code, status] : table)
    EXPECT_EQ(http_status(static_cast<absl::StatusCode>(code)), status) << code;
  EXPECT_EQ(status_json(make_status(absl::StatusCode::kNotFound, ""), false), R"({"code":5})");
}

}  // namespace
}  // namespace holdfast::rpc
