#include "net/grpc_outbox.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <utility>

namespace holdfast::net {
namespace {

OutMessage message_of(std::string head) {
  OutMessage message;
  message.head = std::move(head);
  return message;
}

std::string framed(const std::string& bytes) {
  std::string out(MessageReader::kPrefixBytes, '\0');
  write_message_prefix(out.data(), bytes.size());
  return out + bytes;
}

// Frames may end anywhere: in a prefix, in a message, behind several.
TEST(GrpcOutbox, CutsMessagesIntoFramesOfAnySize) {
  const std::string expected = framed("one") + framed("") + framed(std::string(1000, 'x')) + framed("last");
  for (size_t frame = 1; frame <= expected.size(); ++frame) {
    GrpcOutbox outbox;
    for (const std::string& bytes : {std::string("one"), std::string(), std::string(1000, 'x'), std::string("last")})
      outbox.push(message_of(bytes));
    std::string out;
    while (outbox.bytes() != 0) {
      const size_t size = std::min(frame, outbox.bytes());
      outbox.announce(size);
      outbox.take(size, out);
    }
    ASSERT_EQ(out, expected) << "frames of " << frame;
  }
}

TEST(GrpcOutbox, GoesOnAfterManyMessages) {
  GrpcOutbox outbox;
  std::string out, expected;
  for (int i = 0; i < 5000; ++i) {
    const std::string bytes = "message " + std::to_string(i);
    outbox.push(message_of(bytes));
    expected += framed(bytes);
    if (i % 3 == 0) continue;
    const size_t size = outbox.bytes() / 2 + 1;
    outbox.announce(size);
    outbox.take(size, out);
  }
  outbox.announce(outbox.bytes());
  outbox.take(outbox.bytes(), out);
  EXPECT_EQ(out, expected);
}

// nghttp2 has told the client how long the frame is: its bytes must come, and nothing after them.
TEST(GrpcOutbox, DropKeepsWhatWasAnnounced) {
  GrpcOutbox outbox;
  outbox.push(message_of("first"));
  outbox.push(message_of("second"));
  outbox.announce(7);
  outbox.drop();
  EXPECT_EQ(outbox.bytes(), 7u);
  std::string out;
  outbox.take(7, out);
  EXPECT_EQ(out, framed("first").substr(0, 7));
  EXPECT_EQ(outbox.bytes(), 0u);

  outbox.push(message_of("third"));
  out.clear();
  outbox.announce(outbox.bytes());
  outbox.take(outbox.bytes(), out);
  EXPECT_EQ(out, framed("third")) << "what is left of the first one is forgotten";
}

TEST(GrpcOutbox, CloseForgetsEverything) {
  GrpcOutbox outbox;
  outbox.push(message_of("first"));
  outbox.announce(3);
  outbox.drop();
  outbox.close();
  EXPECT_EQ(outbox.bytes(), 0u);
  outbox.push(message_of("next"));
  std::string out;
  outbox.announce(outbox.bytes());
  outbox.take(outbox.bytes(), out);
  EXPECT_EQ(out, framed("next"));
}

}  // namespace
}  // namespace holdfast::net
