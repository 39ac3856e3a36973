// HTTP/1.1 through our own client and by hand.
#include <gtest/gtest.h>

#include "test/net/client_fixture.h"

namespace holdfast::net {
namespace {

struct HttpAnswer {
  absl::Status status;
  HttpResponse response;
};

class HttpTest : public ::testing::Test {
 protected:
  EchoServer server{1};
  SystemClock clock;
  IoPool pool{clock, 1, "client"};
  std::unique_ptr<HttpClient> client;

  void SetUp() override {
    pool.start();
    client = std::make_unique<HttpClient>(pool.at(0), HttpClientOptions{.port = server.listener->port()});
  }
  void TearDown() override {
    client.reset();
    pool.stop();
  }
  std::future<HttpAnswer> send(HttpClientRequest request) {
    auto promise = std::make_shared<std::promise<HttpAnswer>>();
    auto future = promise->get_future();
    pool.at(0).post([this, promise, r = std::move(request)]() mutable {
      client->send(std::move(r), [promise](const absl::Status& s, HttpResponse response) {
        promise->set_value({s, std::move(response)});
      });
    });
    return future;
  }
};

TEST_F(HttpTest, KeepsOneConnectionForManyRequests) {
  std::vector<std::future<HttpAnswer>> answers;
  for (int i = 0; i < 50; ++i)
    answers.push_back(send({.method = "POST", .target = "/echo", .body = std::string(static_cast<size_t>(i) * 1000, 'b')}));
  for (size_t i = 0; i < answers.size(); ++i) {
    HttpAnswer answer = answers[i].get();
    ASSERT_TRUE(answer.status.ok()) << answer.status;
    EXPECT_EQ(answer.response.status, 200);
    EXPECT_EQ(answer.response.body.size(), i * 1000);
    EXPECT_TRUE(answer.response.field("date"));
  }
  EXPECT_EQ(server.listener->stats().connections_accepted, 1u);
}

TEST_F(HttpTest, ChunksAsyncHeadAndErrors) {
  EXPECT_EQ(send({.target = "/chunks"}).get().response.body, "piece 0\npiece 1\npiece 2\n");
  EXPECT_EQ(send({.target = "/later"}).get().response.body, "later\n");
  HttpAnswer head = send({.method = "HEAD", .target = "/later"}).get();
  EXPECT_EQ(head.response.field("content-length"), "6");
  EXPECT_EQ(send({.target = "/drop"}).get().response.status, 500);
  EXPECT_EQ(send({.target = "/nothing"}).get().response.status, 404);  // HTTP-13
  EXPECT_EQ(server.listener->stats().connections_accepted, 1u);
}

TEST_F(HttpTest, TimeoutAndThenANewConnection) {
  HttpAnswer late = send({.target = "/hang", .timeout = std::chrono::milliseconds(20)}).get();
  EXPECT_EQ(late.status.code(), absl::StatusCode::kDeadlineExceeded);
  EXPECT_EQ(send({.target = "/later"}).get().response.body, "later\n");
  EXPECT_EQ(server.listener->stats().connections_accepted, 2u);
}

TEST_F(HttpTest, PipelinedByHand) {
  RawSocket raw(server.listener->port());
  std::string many;
  for (int i = 0; i < 5; ++i) many += "GET /later HTTP/1.1\r\nHost: x\r\n\r\n";
  raw.send(many + "GET /chunks HTTP/1.0\r\n\r\n");
  std::string got = raw.read_all();
  size_t count = 0;
  for (size_t at = 0; (at = got.find("later\n", at)) != std::string::npos; ++at) ++count;
  EXPECT_EQ(count, 5u);
  EXPECT_TRUE(got.ends_with("\r\n\r\npiece 0\npiece 1\npiece 2\n")) << got;
}

TEST_F(HttpTest, ContinueIsSaidBeforeALargeBody) {
  RawSocket raw(server.listener->port());
  raw.send("POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n");
  EXPECT_NE(raw.read_until("100 Continue\r\n\r\n").find("100 Continue"), std::string::npos);
  raw.send("hello");
  EXPECT_NE(raw.read_until("hello").find("hello"), std::string::npos);
}

}  // namespace
}  // namespace holdfast::net
