#include "net/grpc_wire.h"

#include <gtest/gtest.h>

#include "base/errors.h"

namespace holdfast::net {
namespace {

using namespace std::chrono_literals;
using Event = MessageReader::Event;

std::string frame(std::string_view message, char flag = 0) {
  std::string out(5, '\0');
  write_message_prefix(out.data(), message.size());
  out[0] = flag;
  return out.append(message);
}

TEST(GrpcTimeout, ReadsEveryUnit) {
  EXPECT_EQ(*parse_grpc_timeout("1H"), env::Duration(1h));
  EXPECT_EQ(*parse_grpc_timeout("2M"), env::Duration(2min));
  EXPECT_EQ(*parse_grpc_timeout("30S"), env::Duration(30s));
  EXPECT_EQ(*parse_grpc_timeout("99999999m"), env::Duration(99999999ms));
  EXPECT_EQ(*parse_grpc_timeout("0u"), env::Duration(0));
  EXPECT_EQ(*parse_grpc_timeout("7n"), env::Duration(7));
  EXPECT_EQ(parse_grpc_timeout("99999999H")->count(), INT64_MAX);
}

TEST(GrpcTimeout, RefusesWithGrpcGosWords) {
  auto text = [](std::string_view input) {
    return std::string(message(parse_grpc_timeout(input).status()));
  };
  EXPECT_EQ(text(""), "transport: timeout string is too short: \"\"");
  EXPECT_EQ(text("S"), "transport: timeout string is too short: \"S\"");
  EXPECT_EQ(text("123456789S"), "transport: timeout string is too long: \"123456789S\"");
  EXPECT_EQ(text("5x"), "transport: timeout unit is not recognized: \"5x\"");
  EXPECT_EQ(text("-5S"), "strconv.ParseUint: parsing \"-5\": invalid syntax");
}

TEST(GrpcTimeout, WritesTheFinestUnitThatFits) {
  EXPECT_EQ(format_grpc_timeout(5s), "5000000u");
  EXPECT_EQ(format_grpc_timeout(1ns), "1n");
  EXPECT_EQ(format_grpc_timeout(-1s), "0n");
  EXPECT_EQ(format_grpc_timeout(env::Duration(100'000'001)), "100001u");  // rounded up
  for (auto d : {env::Duration(1), env::Duration(3s), env::Duration(26h), env::Duration(9000h)})
    EXPECT_GE(*parse_grpc_timeout(format_grpc_timeout(d)), d);
}

TEST(GrpcMessage, PercentEncoding) {
  EXPECT_EQ(percent_encode("etcdserver: no leader"), "etcdserver: no leader");
  EXPECT_EQ(percent_encode("100% \n\xc3\xbc"), "100%25 %0A%C3%BC");
  EXPECT_EQ(percent_encode("bad \xff\xc3"), "bad %EF%BF%BD%EF%BF%BD");
  EXPECT_EQ(percent_decode("100%25 %0A%c3%BC"), "100% \n\xc3\xbc");
  EXPECT_EQ(percent_decode("% %4 %zz %"), "% %4 %zz %");
}

TEST(GrpcContentType, WhatGrpcGoTakes) {
  EXPECT_TRUE(is_grpc_content_type("application/grpc"));
  EXPECT_TRUE(is_grpc_content_type("application/grpc+proto"));
  EXPECT_TRUE(is_grpc_content_type("application/grpc;charset=utf-8"));
  EXPECT_FALSE(is_grpc_content_type("application/grpc-web"));
  EXPECT_FALSE(is_grpc_content_type("application/json"));
  EXPECT_FALSE(is_grpc_content_type(""));
}

TEST(Base64, BothWays) {
  for (std::string bytes : {std::string(), std::string("\0", 1), std::string("ab"), std::string("\xff\xfe\xfd\xfc")}) {
    EXPECT_EQ(decode_base64(encode_base64(bytes)), bytes);
  }
  EXPECT_EQ(decode_base64("YQ=="), "a");
  EXPECT_EQ(decode_base64("YQ"), "a");
  EXPECT_EQ(decode_base64("Y"), std::nullopt);
  EXPECT_EQ(decode_base64("Y*=="), std::nullopt);
}

TEST(MessageReader, CutsAnywhere) {
  std::string stream = frame("hello") + frame("") + frame(std::string(70000, 'x')) + frame("end");
  for (size_t step : {1ul, 2ul, 5ul, 7ul, 4096ul, stream.size()}) {
    MessageReader reader;
    reader.reset(100000, "");
    std::vector<std::string> messages;
    for (size_t at = 0; at < stream.size(); at += step) {
      std::string_view input = std::string_view(stream).substr(at, step);
      while (!input.empty())
        if (reader.consume(input) == Event::message) messages.emplace_back(reader.message());
    }
    ASSERT_EQ(messages.size(), 4u) << step;
    EXPECT_EQ(messages[0], "hello");
    EXPECT_EQ(messages[1], "");
    EXPECT_EQ(messages[2].size(), 70000u);
    EXPECT_EQ(messages[3], "end");
    EXPECT_FALSE(reader.inside_message());
  }
}

TEST(MessageReader, TakesTheBufferOver) {
  MessageReader reader;
  reader.reset(1000, "");
  std::string bytes = frame("first") + frame("second");
  std::string_view a = std::string_view(bytes).substr(0, 7), b = std::string_view(bytes).substr(7);
  EXPECT_EQ(reader.consume(a), Event::need_more);
  EXPECT_EQ(reader.consume(b), Event::message);
  std::string taken;
  reader.take_message(taken);
  EXPECT_EQ(taken, "first");
  EXPECT_EQ(reader.consume(b), Event::message);
  EXPECT_EQ(reader.message(), "second");
}

// GEN-02, TRP-39
TEST(MessageReader, RefusesByThePrefixAlone) {
  auto error = [](std::string_view input, std::string_view encoding) {
    MessageReader reader;
    reader.reset(2 * 1024 * 1024, encoding);
    EXPECT_EQ(reader.consume(input), Event::failed);
    EXPECT_EQ(reader.buffered_bytes(), 0u);
    return reader.error();
  };
  absl::Status huge = error(std::string_view("\0\xff\xff\xff\xff", 5), "");
  EXPECT_EQ(huge.code(), absl::StatusCode::kResourceExhausted);
  EXPECT_EQ(message(huge), "grpc: received message larger than max (4294967295 vs. 2097152)");
  absl::Status zipped = error(frame("x", 1), "gzip");
  EXPECT_EQ(zipped.code(), absl::StatusCode::kUnimplemented);
  EXPECT_EQ(message(zipped), "grpc: Decompressor is not installed for grpc-encoding \"gzip\"");
  EXPECT_EQ(message(error(frame("x", 1), "")),
            "grpc: compressed flag set with identity or empty encoding");
  EXPECT_EQ(message(error(frame("x", 7), "")), "grpc: received unexpected payload format 7");
}

}  // namespace
}  // namespace holdfast::net
