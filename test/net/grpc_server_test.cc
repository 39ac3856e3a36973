// The gRPC server as clients see it, over our own client and raw frames.
#include <gtest/gtest.h>

#include "base/errors.h"
#include "net/grpc_wire.h"
#include "test/net/client_fixture.h"

namespace holdfast::net {
namespace {

using absl::StatusCode;
using namespace std::chrono_literals;

struct Recorder final : GrpcObserver {
  void call_started(const MethodInfo&) override { ++started; }
  void message_received(const MethodInfo&, size_t bytes) override { in += bytes; }
  void message_sent(const MethodInfo&, size_t bytes) override { out += bytes; }
  void call_handled(const Call& call, const CallSummary& summary) override {
    std::lock_guard lock(mutex);
    handled.emplace_back(call.method().name, summary.code);
  }
  std::atomic<size_t> started{0}, in{0}, out{0};
  std::mutex mutex;
  std::vector<std::pair<std::string, StatusCode>> handled;
};

class GrpcServerTest : public ::testing::Test {
 protected:
  Recorder observer;
  EchoServer server{2, {}, {}, &observer};
  BlockingGrpc client{server.listener->port()};

  void expect_error(const Answer& answer, StatusCode code, std::string_view text) {
    EXPECT_EQ(answer.status.code(), code);
    EXPECT_EQ(message(answer.status), text);
  }
};

TEST_F(GrpcServerTest, UnaryOfManySizes) {
  for (size_t size : {0ul, 1ul, 100ul, 16384ul, 70000ul, 1500000ul}) {
    std::string request(size, 'q');
    Answer answer = client.unary("/test.Echo/Unary", request);
    ASSERT_TRUE(answer.status.ok()) << answer.status;
    EXPECT_EQ(answer.message, request);
  }
  EXPECT_EQ(observer.started, 6u);
  EXPECT_EQ(observer.in, observer.out);  // GEN-14
}

TEST_F(GrpcServerTest, ErrorsTravelInTrailers) {
  expect_error(client.unary("/test.Echo/Fail", ""), StatusCode::kFailedPrecondition, "because: 100% ü");
  expect_error(client.unary("/test.Echo/Drop", ""), StatusCode::kInternal, "call dropped");
  std::lock_guard lock(observer.mutex);
  ASSERT_EQ(observer.handled.size(), 2u);
  EXPECT_EQ(observer.handled[0].second, StatusCode::kFailedPrecondition);
}

TEST_F(GrpcServerTest, UnknownMethodsInGrpcGosWords) {
  expect_error(client.unary("/test.Nope/X", ""), StatusCode::kUnimplemented, "unknown service test.Nope");
  expect_error(client.unary("/test.Echo/X", ""), StatusCode::kUnimplemented,
               "unknown method X for service test.Echo");
  expect_error(client.unary("/x", ""), StatusCode::kUnimplemented, "malformed method name: \"/x\"");
}

TEST_F(GrpcServerTest, MetadataBothWays) {
  Answer answer = client.unary("/test.Echo/Metadata", "token", {.metadata = {{"token", "abc"}}});
  EXPECT_EQ(answer.message, "abc");
  EXPECT_EQ(answer.call->metadata("seen"), "token");
  EXPECT_EQ(answer.call->metadata("raw-bin"), std::string("\0\1\2\xff", 4));
  EXPECT_EQ(answer.call->metadata("after"), "all");
  EXPECT_EQ(client.unary("/test.Echo/Metadata", "k-bin", {.metadata = {{"k-bin", "\xff\xfe"}}}).message, "\xff\xfe");
  EXPECT_EQ(client.unary("/test.Echo/Metadata", "te").message, "<none>");
  EXPECT_EQ(client.unary("/test.Echo/Metadata", "user-agent").message, "holdfast");
}

// GEN-02, TRP-39
TEST_F(GrpcServerTest, MessagesOverTheLimit) {
  expect_error(client.unary("/test.Echo/Unary", std::string(2 * 1024 * 1024 + 1, 'x')),
               StatusCode::kResourceExhausted,
               "grpc: received message larger than max (2097153 vs. 2097152)");
  EXPECT_TRUE(client.unary("/test.Echo/Unary", std::string(2 * 1024 * 1024, 'x')).status.ok());
}

// GEN-12
TEST_F(GrpcServerTest, DeadlineEndsTheCallOnTheServerToo) {
  std::string got;
  RawSocket raw(server.listener->port());
  std::string block = h2_request_block("/test.Echo/Hang") + h2_literal("grpc-timeout", "20m");
  raw.send(std::string(kPrefaceText) + h2_settings() + h2_frame(1, 4, 1, block) +
           h2_frame(0, 1, 1, std::string(5, '\0')));
  EXPECT_NE(h2_answer(raw).find("grpc-message: context deadline exceeded"), std::string::npos);
  EXPECT_TRUE(eventually([&] { return server.cancelled == 1; }));
  Answer answer = client.unary("/test.Echo/Hang", "", {.timeout = 20ms});
  expect_error(answer, StatusCode::kDeadlineExceeded, "context deadline exceeded");
  EXPECT_TRUE(eventually([&] { return server.cancelled == 2; }));
}

TEST_F(GrpcServerTest, CancelledAndLostCallsReachTheHandler) {
  {
    RawSocket raw(server.listener->port());
    raw.send(std::string(kPrefaceText) + h2_settings() + h2_headers(1, "/test.Echo/Hang") +
             h2_frame(0, 1, 1, std::string(5, '\0')) + h2_headers(3, "/test.Echo/Hang") +
             h2_frame(0, 1, 3, std::string(5, '\0')) + h2_frame(3, 0, 1, std::string("\0\0\0\x8", 4)));
    EXPECT_TRUE(eventually([&] { return server.cancelled == 1; }));
  }
  EXPECT_TRUE(eventually([&] { return server.cancelled == 2; }));
  // Answering what is gone does nothing.
  std::lock_guard lock(server.mutex);
  for (auto& call : server.hanging) {
    EXPECT_TRUE(call->cancelled());
    finish_on_own_thread(call, OutMessage{"late", {}});
  }
}

TEST_F(GrpcServerTest, CallsAreFinishedFromOtherThreads) {
  constexpr int kCalls = 200;
  std::vector<std::promise<std::string>> answers(kCalls);
  client.io().post([&] {
    for (auto& answer : answers)
      client.client().unary("/test.Echo/Hang", "", {}, [&](const absl::Status& s, std::string_view m) {
        answer.set_value(s.ok() ? std::string(m) : s.ToString());
      });
  });
  ASSERT_TRUE(eventually([&] {
    std::lock_guard lock(server.mutex);
    return server.hanging.size() == kCalls;
  }));
  std::vector<UnaryCallRef> calls;
  {
    std::lock_guard lock(server.mutex);
    calls.swap(server.hanging);
  }
  for (auto& call : calls) {
    SharedBytes tail("tail");
    finish_on_own_thread(std::move(call), OutMessage{"head ", tail});
  }
  for (auto& answer : answers) EXPECT_EQ(answer.get_future().get(), "head tail");
}

TEST_F(GrpcServerTest, HandlesDroppedOnOtherThreads) {
  std::promise<absl::Status> answer;
  client.io().post([&] {
    client.client().unary("/test.Echo/Hang", "", {},
                          [&](const absl::Status& s, std::string_view) { answer.set_value(s); });
  });
  ASSERT_TRUE(eventually([&] {
    std::lock_guard lock(server.mutex);
    return !server.hanging.empty();
  }));
  server.release_hanging();
  EXPECT_EQ(message(answer.get_future().get()), "call dropped");
}

TEST_F(GrpcServerTest, BidiEcho) {
  std::vector<std::string> sent, received;
  for (int i = 0; i < 500; ++i) sent.push_back(std::string(static_cast<size_t>(i) * 7, 'b'));
  Answer answer = client.stream("/test.Echo/Bidi", sent, nullptr, &received);
  EXPECT_TRUE(answer.status.ok()) << answer.status;
  EXPECT_EQ(received, sent);
}

// A slow or stopped reader costs the server no more than the producer's own bound.
TEST_F(GrpcServerTest, FlowControlBoundsAStream) {
  size_t bytes = 0;
  Answer answer = client.stream("/test.Echo/Flood", {"3000 20000"}, &bytes, nullptr);
  EXPECT_TRUE(answer.status.ok()) << answer.status;
  EXPECT_EQ(bytes, 60'000'000u);

  RawSocket raw(server.listener->port());
  std::string request = "100000 20000", message(5, '\0');
  write_message_prefix(message.data(), request.size());
  raw.send(std::string(kPrefaceText) + h2_settings() + h2_headers(1, "/test.Echo/Flood") +
           h2_frame(0, 1, 1, message + request));
  ASSERT_TRUE(eventually([&] { return server.listener->stats().response_bytes_held > 200'000; }));
  EXPECT_LT(server.listener->stats().response_bytes_held, 1'000'000u);
  EXPECT_TRUE(client.unary("/test.Echo/Unary", "still").status.ok());
  raw.close();
  EXPECT_TRUE(eventually([&] { return server.listener->stats().response_bytes_held == 0; }));
}

TEST_F(GrpcServerTest, ServerStreamTakesExactlyOneMessage) {
  Answer none = client.stream("/test.Echo/Flood", {}, nullptr, nullptr);
  expect_error(none, StatusCode::kInternal,
               "cardinality violation: received no request message from non-client-streaming RPC");
  Answer two = client.stream("/test.Echo/Flood", {"1 1", "1 1"}, nullptr, nullptr);
  expect_error(two, StatusCode::kInternal,
               "cardinality violation: received multiple request messages for non-client-streaming RPC");
}

TEST_F(GrpcServerTest, RequestsThatAreNotCalls) {
  auto answer_to = [&](std::string_view block, std::string_view data, std::string_view wanted) {
    RawSocket raw(server.listener->port());
    raw.send(std::string(kPrefaceText) + h2_settings() + h2_frame(1, data.data() ? 4 : 5, 1, block) +
             (data.data() ? h2_frame(0, 1, 1, data) : ""));
    std::string got = h2_answer(raw);
    EXPECT_NE(got.find(wanted), std::string::npos) << wanted << "\n" << got;
  };
  std::string head = h2_literal(":scheme", "http") + h2_literal(":path", "/test.Echo/Unary") +
                     h2_literal(":authority", "x");
  std::string post = h2_literal(":method", "POST") + head;
  std::string grpc = h2_literal("content-type", "application/grpc");
  answer_to(post + h2_literal("content-type", "text/html"), {}, "invalid gRPC request content-type \"text/html\"");
  answer_to(h2_literal(":method", "GET") + head + grpc, {},
            "Received a HEADERS frame with :method \"GET\" which should be POST");
  answer_to(post + grpc + h2_literal("grpc-timeout", "5x"), {},
            "malformed grpc-timeout: transport: timeout unit is not recognized: \"5x\"");
  answer_to(post + grpc + h2_literal("grpc-timeout", "0S"), {}, "context deadline exceeded");
  answer_to(post + grpc + h2_literal("x-bin", "*"), {},
            "malformed binary metadata \"*\" in header \"x-bin\"");
  answer_to(post + grpc + h2_literal("grpc-encoding", "gzip"), std::string_view("\1\0\0\0\0", 5),
            "grpc: Decompressor is not installed for grpc-encoding \"gzip\"");
  answer_to(post + grpc, std::string_view("\1\0\0\0\0", 5),
            "grpc: compressed flag set with identity or empty encoding");
  answer_to(post + grpc, std::string_view("\0\0\0", 3), "unexpected EOF");
  answer_to(post + grpc, std::string_view("\0\xff\xff\xff\xff", 5),
            "grpc: received message larger than max (4294967295 vs. 2097152)");
}

// GEN-04, TRP-38, CSV-06
TEST_F(GrpcServerTest, TooManyPings) {
  RawSocket raw(server.listener->port());
  raw.send(std::string(kPrefaceText) + h2_settings());
  for (int i = 0; i < 4; ++i) raw.send(h2_frame(6, 0, 0, "12345678"));
  std::string got = raw.read_all();
  EXPECT_NE(got.find("too_many_pings"), std::string::npos);
  // Within a call, after each answer, the strikes are forgotten.
  RawSocket fine(server.listener->port());
  fine.send(std::string(kPrefaceText) + h2_settings() + h2_headers(1, "/test.Echo/Bidi"));
  std::string echo = h2_frame(0, 0, 1, std::string("\0\0\0\0\2ok", 7));
  for (int i = 0; i < 10; ++i) {
    fine.send(echo);
    ASSERT_NE(fine.read_until("ok").find("ok"), std::string::npos);
    fine.send(h2_frame(6, 0, 0, "12345678"));
  }
  fine.send(echo);
  EXPECT_NE(fine.read_until("ok").find("ok"), std::string::npos);
}

TEST(GrpcServerStop, GracefulLetsCallsFinish) {
  EchoServer server(2);
  BlockingGrpc client(server.listener->port());
  std::promise<absl::Status> hanging;
  client.io().post([&] {
    client.client().unary("/test.Echo/Hang", "", {}, [&](const absl::Status& s, std::string_view) { hanging.set_value(s); });
  });
  ASSERT_TRUE(eventually([&] { return server.listener->stats().calls_open == 1; }));
  RawSocket idle(server.listener->port());
  idle.send(std::string(kPrefaceText) + h2_settings());
  ASSERT_TRUE(eventually([&] { return server.listener->stats().connections_open == 2; }));
  idle.read_until(std::string_view("\4\1", 2));

  std::promise<void> stopped;
  auto stopped_future = stopped.get_future();
  server.listener->stop(1min, [&] { stopped.set_value(); });
  std::string goodbye = idle.read_until("graceful_stop");
  EXPECT_NE(goodbye.find("graceful_stop"), std::string::npos);
  idle.send(h2_frame(6, 1, 0, "going aw"));
  idle.read_all();
  idle.close();
  EXPECT_FALSE(RawSocket(server.listener->port()).connected());
  EXPECT_EQ(stopped_future.wait_for(0s), std::future_status::timeout);
  {
    std::lock_guard lock(server.mutex);
    ASSERT_EQ(server.hanging.size(), 1u);
    finish_on_own_thread(server.hanging[0], OutMessage{"bye", {}});
  }
  EXPECT_TRUE(hanging.get_future().get().ok());
  stopped_future.get();
  EXPECT_EQ(server.listener->stats().connections_open, 0u);
}

TEST(GrpcServerStop, PatienceEnds) {
  EchoServer server(2);
  BlockingGrpc client(server.listener->port());
  std::promise<absl::Status> hanging;
  client.io().post([&] {
    client.client().unary("/test.Echo/Hang", "", {}, [&](const absl::Status& s, std::string_view) { hanging.set_value(s); });
  });
  ASSERT_TRUE(eventually([&] { return server.listener->stats().calls_open == 1; }));
  std::promise<void> stopped;
  server.listener->stop(10ms, [&] { stopped.set_value(); });
  stopped.get_future().get();
  EXPECT_EQ(hanging.get_future().get().code(), StatusCode::kUnavailable);
  EXPECT_EQ(server.cancelled, 1);
}

TEST(GrpcServerStart, SaysWhyItCannot) {
  EchoServer server(1);
  EchoServer second(1, {.port = server.listener->port()});
  EXPECT_EQ(second.started.code(), StatusCode::kUnavailable);
  EXPECT_NE(message(second.started).find("listen tcp 127.0.0.1:"), std::string::npos);
  EchoServer bad(1, {.address = "nowhere"});
  EXPECT_EQ(message(bad.started), "not an IP address: nowhere");
}

TEST(GrpcClientErrors, NobodyListens) {
  uint16_t port;
  {
    EchoServer server(1);
    port = server.listener->port();
  }
  BlockingGrpc client(port);
  Answer answer = client.unary("/test.Echo/Unary", "");
  EXPECT_EQ(answer.status.code(), StatusCode::kUnavailable);
}

}  // namespace
}  // namespace holdfast::net
