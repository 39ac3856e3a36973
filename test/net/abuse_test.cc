// Hostile clients: memory stays bounded and other connections are served.
#include <gtest/gtest.h>

#include "net/grpc_wire.h"
#include "test/net/client_fixture.h"

namespace holdfast::net {
namespace {

using namespace std::chrono_literals;

std::string hello() { return std::string(kPrefaceText) + h2_settings(); }

class AbuseTest : public ::testing::Test {
 protected:
  EchoServer server{1, {.http = {.read_header_timeout = 300ms, .read_body_timeout = 300ms}}};
  BlockingGrpc neighbour{server.listener->port()};

  void expect_neighbour_served() {
    EXPECT_EQ(neighbour.unary("/test.Echo/Unary", "fine").message, "fine");
  }
  // Everything that clients made the server hold is gone with them.
  void expect_nothing_left() {
    EXPECT_TRUE(eventually([&] {
      ListenerStats stats = server.listener->stats();
      return stats.request_bytes_held == 0 && stats.response_bytes_held == 0 && stats.calls_open == 0;
    }));
  }
  ListenerStats stats() { return server.listener->stats(); }
};

TEST_F(AbuseTest, CutAtEachByte) {
  std::string message(5, '\0');
  write_message_prefix(message.data(), 3);
  std::string whole = hello() + h2_headers(1, "/test.Echo/Unary") + h2_frame(0, 1, 1, message + "abc");
  for (size_t size = 0; size < whole.size(); ++size) {
    RawSocket raw(server.listener->port());
    ASSERT_TRUE(raw.send(whole.substr(0, size)));
    raw.half_close();
    std::string got = raw.read_all();
    EXPECT_EQ(got.find("abc"), std::string::npos);
    EXPECT_EQ(got.find("<timeout>"), std::string::npos) << size;
  }
  expect_neighbour_served();
  expect_nothing_left();
}

TEST_F(AbuseTest, EveryByteOfTheFramesChanged) {
  std::string message(5, '\0');
  write_message_prefix(message.data(), 3);
  std::string whole = h2_settings() + h2_headers(1, "/test.Echo/Unary") + h2_frame(0, 1, 1, message + "abc");
  for (size_t at = 0; at < whole.size(); ++at) {
    RawSocket raw(server.listener->port());
    std::string changed = whole;
    changed[at] = static_cast<char>(changed[at] ^ 0xff);
    raw.send(std::string(kPrefaceText) + changed);
    raw.half_close();
    EXPECT_EQ(raw.read_all().find("<timeout>"), std::string::npos) << at;
  }
  expect_neighbour_served();
  expect_nothing_left();
}

TEST_F(AbuseTest, MalformedPreface) {
  for (std::string text : {"PRI * HTTP/2.0\r\n\r\nXX\r\n\r\n", "PRI / HTTP/1.1\r\n\r\n", "\x16\x03\x01\x02\x00\x01", "\0\0\0\0"}) {
    RawSocket raw(server.listener->port());
    raw.send(text + std::string(100, '\n'));
    raw.half_close();
    EXPECT_EQ(raw.read_all().find("<timeout>"), std::string::npos);
  }
  // After the preface there must be SETTINGS.
  RawSocket raw(server.listener->port());
  raw.send(std::string(kPrefaceText) + h2_headers(1, "/test.Echo/Unary"));
  EXPECT_EQ(raw.read_all().find("<timeout>"), std::string::npos);
  expect_neighbour_served();
}

// One large field in the compression table, named a byte at a time: 4 KiB of memory for each.
TEST_F(AbuseTest, HpackBomb) {
  RawSocket raw(server.listener->port());
  std::string large(1, '\x40');
  large += "\x01x";
  large += "\x7f";
  large += std::string("\x81\x1d", 2);  // 127 + 1 + 29 * 128 = 3840
  large += std::string(3840, 'v');
  std::string block = h2_request_block("/test.Echo/Unary") + large + std::string(8000, '\xbe');
  raw.send(hello() + h2_frame(1, 4, 1, block));
  EXPECT_EQ(raw.read_until(std::string_view("\0\0\4\3\0\0\0\0\1\0\0\0\6", 13)).find("<timeout>"),
            std::string::npos);  // RST_STREAM, FRAME_SIZE_ERROR
  EXPECT_LT(stats().request_bytes_held, 100'000u);
  expect_neighbour_served();
}

TEST_F(AbuseTest, EndlessContinuation) {
  RawSocket raw(server.listener->port());
  raw.send(hello() + h2_frame(1, 0, 1, h2_request_block("/test.Echo/Unary")));
  std::string more = h2_frame(9, 0, 1, h2_literal("a", "b"));
  for (int i = 0; i < 100000 && raw.send(more); ++i) {
  }
  EXPECT_TRUE(eventually([&] { return stats().connections_refused == 1; }));
  EXPECT_EQ(raw.read_all().find("<timeout>"), std::string::npos);
  expect_neighbour_served();
}

// CVE-2023-44487
TEST_F(AbuseTest, RapidReset) {
  RawSocket raw(server.listener->port());
  raw.send(hello());
  bool closed = false;
  for (uint32_t id = 1; id < 400000 && !closed; id += 2) {
    closed = !raw.send(h2_headers(id, "/test.Echo/Hang") + h2_frame(3, 0, id, std::string("\0\0\0\x8", 4)));
    if (id % 1001 == 0) raw.skim();
  }
  EXPECT_TRUE(closed);
  EXPECT_TRUE(eventually([&] { return stats().connections_refused == 1; }));
  expect_neighbour_served();
  expect_nothing_left();
}

// CVE-2025-8671: frames that make the server do the resetting.
TEST_F(AbuseTest, MadeToReset) {
  RawSocket raw(server.listener->port());
  raw.send(hello());
  bool closed = false;
  for (uint32_t id = 1; id < 400000 && !closed; id += 2) {
    closed = !raw.send(h2_headers(id, "/test.Echo/Bidi") + h2_frame(8, 0, id, std::string(4, '\0')));
    if (id % 1001 == 0) raw.skim();
  }
  EXPECT_TRUE(closed);
  expect_neighbour_served();
  expect_nothing_left();
}

TEST_F(AbuseTest, FloodsOfSmallFrames) {
  for (std::string frame : {h2_settings(), h2_frame(6, 0, 0, "12345678"), h2_frame(0, 0, 1, "")}) {
    RawSocket raw(server.listener->port());
    raw.send(hello() + h2_headers(1, "/test.Echo/Bidi"));
    std::string many;
    for (int i = 0; i < 1000; ++i) many += frame;
    bool closed = false;
    for (int i = 0; i < 5000 && !closed; ++i) closed = !raw.send(many);  // never reads
    EXPECT_TRUE(closed) << static_cast<int>(frame[3]);
    expect_neighbour_served();
  }
  expect_nothing_left();
}

TEST_F(AbuseTest, FourGibibyteMessage) {
  RawSocket raw(server.listener->port());
  raw.send(hello() + h2_headers(1, "/test.Echo/Unary") +
           h2_frame(0, 0, 1, std::string("\0\xff\xff\xff\xff", 5) + std::string(10000, 'x')));
  EXPECT_NE(h2_answer(raw).find("grpc: received message larger than max (4294967295 vs. 2097152)"),
            std::string::npos);
  EXPECT_LT(stats().request_bytes_held, 1000u);
  expect_neighbour_served();
}

// Many streams, each with an unfinished message: what they hold together is bounded.
TEST_F(AbuseTest, UnfinishedMessages) {
  RawSocket raw(server.listener->port());
  raw.send(hello());
  // The server's windows of 1 MiB a stream hold once its SETTINGS are acknowledged, which come before the
  // acknowledgement of ours. A client that ignores flow control is reset for that and proves nothing here.
  ASSERT_EQ(raw.read_until(std::string_view("\0\0\0\4\1\0\0\0\0", 9)).find("<timeout>"), std::string::npos);
  ASSERT_TRUE(raw.send(h2_frame(4, 1, 0, "")));
  std::string prefix(5, '\0');
  write_message_prefix(prefix.data(), 2'000'000);
  std::string part = std::string(16000, 'x');
  size_t most = 0;
  for (uint32_t id = 1; id < 2 * 150; id += 2) {
    const uint64_t before = stats().bytes_in;
    bool open = raw.send(h2_headers(id, "/test.Echo/Unary") + h2_frame(0, 0, id, prefix));
    for (int i = 0; i < 60 && open; ++i) open = raw.send(h2_frame(0, 0, id, part));
    if (!open) break;
    // One stream's worth, below all windows, is taken in before the next is sent.
    ASSERT_TRUE(eventually([&] { return stats().bytes_in - before >= 60 * part.size(); }));
    raw.skim();
    most = std::max<size_t>(most, stats().request_bytes_held);
  }
  EXPECT_GT(most, 10'000'000u);
  EXPECT_LT(most, 70'000'000u);
  expect_neighbour_served();
  raw.close();
  expect_nothing_left();
}

TEST_F(AbuseTest, SlowLoris) {
  std::vector<std::unique_ptr<RawSocket>> sockets;
  for (std::string begin :
       {std::string(), std::string("G"), std::string("GET / HTTP/1.1\r\nHost: x\r\nX: "),
        std::string("POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\nabc"),
        std::string(kPrefaceText.substr(0, 10)),
        hello() + h2_frame(1, 0, 1, h2_request_block("/test.Echo/Unary"))}) {
    sockets.push_back(std::make_unique<RawSocket>(server.listener->port()));
    sockets.back()->send(begin);
  }
  for (auto& socket : sockets) EXPECT_EQ(socket->read_all().find("<timeout>"), std::string::npos);
  EXPECT_EQ(stats().connections_refused, 6u);
  expect_neighbour_served();
}

TEST_F(AbuseTest, HttpLimits) {
  auto answer = [&](const std::string& request) {
    RawSocket raw(server.listener->port());
    raw.send(request);
    return raw.read_all();
  };
  EXPECT_TRUE(answer("GET / HTTP/1.1\r\nHost: x\r\nX: " + std::string(100000, 'x')).starts_with("HTTP/1.1 431"));
  EXPECT_TRUE(answer("POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999999\r\n\r\n").starts_with("HTTP/1.1 413"));
  std::string chunk = "100000\r\n" + std::string(0x100000, 'c') + "\r\n", chunked;
  for (int i = 0; i < 5; ++i) chunked += chunk;
  EXPECT_TRUE(answer("POST /echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n" + chunked).starts_with("HTTP/1.1 413"));
  EXPECT_TRUE(answer("GET / HTTP/1.1\r\n\r\n").starts_with("HTTP/1.1 400"));
  EXPECT_TRUE(answer("GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n").starts_with("HTTP/1.1 400"));
  EXPECT_TRUE(answer("what is this\r\n\r\n").starts_with("HTTP/1.1 400"));
  EXPECT_TRUE(answer("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n")
                  .starts_with("HTTP/1.1 400"));
  expect_neighbour_served();
  expect_nothing_left();
}

TEST_F(AbuseTest, PipeliningIsBounded) {
  RawSocket raw(server.listener->port());
  raw.send("GET /hang HTTP/1.1\r\nHost: x\r\n\r\n");
  std::string request = "GET /later HTTP/1.1\r\nHost: x\r\n\r\n", many;
  for (int i = 0; i < 10000; ++i) many += request;
  bool taken = true;
  for (int i = 0; i < 200 && taken; ++i) taken = raw.send(many);
  EXPECT_FALSE(taken);
  EXPECT_LT(stats().request_bytes_held, 1'000'000u);
  expect_neighbour_served();
}

TEST(AbuseLimits, ConnectionsBeyondTheLimitWait) {
  EchoServer server(1, {.max_connections = 3});
  std::vector<std::unique_ptr<RawSocket>> sockets;
  for (int i = 0; i < 3; ++i) sockets.push_back(std::make_unique<RawSocket>(server.listener->port()));
  ASSERT_TRUE(eventually([&] { return server.listener->stats().connections_open == 3; }));
  RawSocket late(server.listener->port());
  late.send("GET /later HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
  sockets[0]->send("GET /later HTTP/1.1\r\nHost: x\r\n\r\n");
  EXPECT_NE(sockets[0]->read_until("later").find("later"), std::string::npos);
  EXPECT_EQ(server.listener->stats().connections_open, 3u);
  sockets[1]->close();
  EXPECT_NE(late.read_until("later").find("later"), std::string::npos);
}

// GEN-03
TEST(AbuseLimits, ConcurrentStreams) {
  EchoServer server(1, {}, {.max_concurrent_streams = 5});
  RawSocket raw(server.listener->port());
  raw.send(hello());
  EXPECT_NE(raw.read_until(std::string_view("\0\3\0\0\0\5", 6)).find(std::string("\0\3\0\0\0\5", 6)), std::string::npos);
  // Before the client has acknowledged the limit it may not know it: streams beyond are refused, and can be tried again.
  for (uint32_t id = 1; id <= 13; id += 2) raw.send(h2_headers(id, "/test.Echo/Bidi"));
  std::string refused("\0\0\4\3\0\0\0\0\xd\0\0\0\7", 13);
  EXPECT_NE(raw.read_until(refused).find(refused), std::string::npos);
  EXPECT_EQ(server.listener->stats().calls_open, 5u);
}

}  // namespace
}  // namespace holdfast::net
