// RFC 6455's frames. GW-10
#include "rpc/websocket.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <vector>

namespace holdfast::rpc {
namespace {

using Event = WsReader::Event;

std::string client_frame(unsigned first, std::string_view payload, bool masked = true) {
  std::string out(1, static_cast<char>(first));
  const unsigned mask_bit = masked ? 0x80 : 0;
  if (payload.size() < 126) {
    out += static_cast<char>(mask_bit | payload.size());
  } else if (payload.size() < 65536) {
    out += static_cast<char>(mask_bit | 126);
    out += static_cast<char>(payload.size() >> 8);
    out += static_cast<char>(payload.size());
  } else {
    out += static_cast<char>(mask_bit | 127);
    for (int i = 7; i >= 0; --i) out += static_cast<char>(static_cast<uint64_t>(payload.size()) >> (8 * i));
  }
  const char mask[4] = {1, 2, 3, 4};
  if (masked) out.append(mask, 4);
  for (size_t i = 0; i < payload.size(); ++i) out += static_cast<char>(payload[i] ^ (masked ? mask[i & 3] : 0));
  return out;
}

std::vector<std::string> read_all(std::string_view bytes, size_t step, size_t limit = 1 << 20) {
  WsReader reader(limit);
  std::vector<std::string> out;
  while (!bytes.empty()) {
    std::string_view piece = bytes.substr(0, step);
    bytes.remove_prefix(piece.size());
    while (true) {
      const Event event = reader.consume(piece);
      if (event == Event::need_more) break;
      if (event == Event::message) out.push_back("m " + reader.payload());
      if (event == Event::ping) out.push_back("p " + reader.payload());
      if (event == Event::pong) out.push_back("o " + reader.payload());
      if (event == Event::close) out.push_back("c");
      if (event == Event::failed) {
        out.push_back("! " + std::to_string(reader.failure()));
        return out;
      }
    }
  }
  return out;
}

TEST(WebSocket, MessagesComeWholeHoweverTheyWereCut) {
  const std::string big(70'000, 'x'), medium(300, 'y');
  const std::string bytes = client_frame(0x81, "one") + client_frame(0x01, "t") + client_frame(0x89, "ping") +
                            client_frame(0x00, "w") + client_frame(0x80, "o") + client_frame(0x82, big) +
                            client_frame(0x81, medium) + client_frame(0x81, "") + client_frame(0x8a, "") +
                            client_frame(0x88, "\x03\xe8");
  for (const size_t step : {size_t{1}, size_t{7}, size_t{100'000}})
    EXPECT_EQ(read_all(bytes, step), (std::vector<std::string>{"m one", "p ping", "m two", "m " + big,
                                                               "m " + medium, "m ", "o ", "c"}));
}

TEST(WebSocket, ProtocolErrors) {
  const auto failed = std::vector<std::string>{"! 1002"};
  EXPECT_EQ(read_all(client_frame(0x81, "x", false) + "     ", 100), failed);  // not masked
  EXPECT_EQ(read_all(client_frame(0x83, "x"), 100), failed);                   // no such opcode
  EXPECT_EQ(read_all(client_frame(0xc1, "x"), 100), failed);                   // an extension's bit
  EXPECT_EQ(read_all(client_frame(0x80, "x"), 100), failed);                   // goes on with nothing
  EXPECT_EQ(read_all(client_frame(0x09, "x"), 100), failed);                   // a ping in pieces
  EXPECT_EQ(read_all(client_frame(0x89, std::string(126, 'x')), 1000), failed);
  EXPECT_EQ(read_all(client_frame(0x88, "x"), 100), failed);                   // half a close code
  EXPECT_EQ(read_all(client_frame(0x01, "x") + client_frame(0x81, "x"), 100), failed);
}

TEST(WebSocket, MessagesAreBounded) {
  EXPECT_EQ(read_all(client_frame(0x81, "12345"), 100, 5), std::vector<std::string>{"m 12345"});
  EXPECT_EQ(read_all(client_frame(0x81, "123456"), 100, 5), std::vector<std::string>{"! 1009"});
  EXPECT_EQ(read_all(client_frame(0x01, "123") + client_frame(0x80, "456"), 100, 5),
            std::vector<std::string>{"! 1009"});
  std::string endless("\x81\xff", 2);
  endless += std::string(8, '\xff') + "mask";
  EXPECT_EQ(read_all(endless, 100), std::vector<std::string>{"! 1009"});
}

TEST(WebSocket, FramesOfTheServer) {
  for (const size_t size : {size_t{0}, size_t{125}, size_t{126}, size_t{65535}, size_t{65536}}) {
    const std::string payload(size, 'p');
    std::string frame;
    append_ws_frame(frame, WsOpcode::text, payload);
    EXPECT_EQ(frame, client_frame(0x81, payload, false));
  }
}

TEST(WebSocket, Handshake) {
  EXPECT_EQ(ws_accept("dGhlIHNhbXBsZSBub25jZQ=="), "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");  // RFC 6455 1.3
  EXPECT_EQ(ws_accept("dGhlIHNhbXBsZSBub25j"), std::nullopt);
  EXPECT_EQ(ws_accept("?"), std::nullopt);
  EXPECT_TRUE(has_token("keep-alive, Upgrade", "upgrade"));
  EXPECT_FALSE(has_token("keep-alive, Upgraded", "upgrade"));
  EXPECT_FALSE(has_token("", "upgrade"));
}

}  // namespace
}  // namespace holdfast::rpc
