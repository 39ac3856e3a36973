#include "peer/codec.h"

#include <gtest/gtest.h>

#include "base/errors.h"
#include "base/random.h"
#include "raft/codec.h"

namespace holdfast::peer {
namespace {

using raft::Entry;
using raft::Message;
using raft::MessageType;

Entry entry(uint64_t term, uint64_t index, std::string_view data) {
  return {.term = Term(term), .index = Index(index), .data = SharedBytes(data)};
}

Message app(uint64_t term, uint64_t log_term, uint64_t index, std::vector<Entry> entries, uint64_t commit = 0) {
  Message m;
  m.type = MessageType::app;
  m.from = MemberId(2);
  m.to = MemberId(1);
  m.term = Term(term);
  m.log_term = Term(log_term);
  m.index = Index(index);
  m.commit = Index(commit);
  m.entries = std::move(entries);
  return m;
}

std::string hex(std::string_view bytes) {
  std::string out;
  for (char c : bytes) {
    static constexpr char kDigits[] = "0123456789abcdef";
    out += kDigits[static_cast<uint8_t>(c) >> 4];
    out += kDigits[static_cast<uint8_t>(c) & 15];
  }
  return out;
}

// RAFT-09, RAFT-12: what etcd 3.7 writes for a link heartbeat on the message stream.
TEST(MessageStream, LinkHeartbeatIsItsTypeAlone) {
  std::string out;
  append_message_frame(link_heartbeat(), out);
  EXPECT_EQ(hex(out), "0000000000000002" "0808");
  std::vector<Message> messages;
  ASSERT_TRUE(MessageDecoder().feed(out, messages).ok());
  ASSERT_EQ(messages.size(), 1u);
  EXPECT_TRUE(is_link_heartbeat(messages[0]));
  // 3.4 to 3.6 write the zeros too, and an empty snapshot.
  const std::string old = std::string("\0\0\0\0\0\0\0\x1c", 8) +
                          std::string("\x08\x08\x10\0\x18\0\x20\0\x28\0\x30\0\x40\0\x4a\x08\x12\x06\x0a\0\x10\0\x18\0\x50\0\x58\0", 28);
  messages.clear();
  ASSERT_TRUE(MessageDecoder().feed(old, messages).ok());
  ASSERT_EQ(messages.size(), 1u);
  EXPECT_TRUE(is_link_heartbeat(messages[0]));
}

TEST(MessageStream, MessagesComeBackWhateverThePieces) {
  std::vector<Message> sent = {app(3, 2, 7, {entry(3, 8, "a"), entry(3, 9, std::string(70'000, 'x'))}, 6), link_heartbeat()};
  Message vote;
  vote.type = MessageType::pre_vote;
  vote.from = MemberId(UINT64_MAX - 5);
  vote.to = MemberId(1);
  vote.context = SharedBytes("CampaignTransfer");
  sent.push_back(vote);
  std::string stream;
  for (const Message& m : sent) append_message_frame(m, stream);
  for (size_t piece : {size_t{1}, size_t{7}, size_t{4096}, stream.size()}) {
    MessageDecoder decoder;
    std::vector<Message> received;
    for (size_t at = 0; at < stream.size(); at += piece)
      ASSERT_TRUE(decoder.feed(std::string_view(stream).substr(at, piece), received).ok());
    EXPECT_EQ(received, sent) << piece;
    EXPECT_EQ(decoder.held_bytes(), 0u);
  }
}

TEST(MessageStream, LongFrameIsRefusedBeforeItIsHeld) {
  MessageDecoder decoder;
  std::vector<Message> messages;
  const absl::Status status = decoder.feed(std::string("\0\0\0\0\x20\0\0\x01", 8), messages);
  EXPECT_EQ(message(status), "rafthttp: error limit exceeded");
}

// RAFT-10, RAFT-11.
TEST(MsgAppStream, FramesAsEtcdWritesThem) {
  MsgAppEncoder encoder;
  std::string out;
  encoder.append(link_heartbeat(), out);
  EXPECT_EQ(hex(out), "00");
  out.clear();
  // The first is whole.
  encoder.append(app(1, 1, 0, {entry(1, 1, "a")}, 0), out);
  EXPECT_EQ(hex(out.substr(0, 1)), "02");
  out.clear();
  // What follows in the same term is entries alone.
  encoder.append(app(1, 1, 1, {entry(1, 2, "bc")}, 1), out);
  EXPECT_EQ(hex(out),
            "01" "0000000000000001" "0000000000000008" "1001" "1802" "22026263" "0000000000000001");
  out.clear();
  // So is an empty one, which carries the commit index.
  encoder.append(app(1, 1, 2, {}, 2), out);
  EXPECT_EQ(hex(out), "01" "0000000000000000" "0000000000000002");
  out.clear();
  // Another place in the log, or another term: whole again.
  encoder.append(app(1, 1, 1, {}, 2), out);
  EXPECT_EQ(hex(out.substr(0, 1)), "02");
  out.clear();
  encoder.append(app(2, 1, 1, {}, 2), out);
  EXPECT_EQ(hex(out.substr(0, 1)), "02");
}

TEST(MsgAppStream, DecoderFollowsTheEncoder) {
  Random random(20261125);
  MsgAppEncoder encoder;
  std::vector<Message> sent;
  std::string stream;
  uint64_t term = 1, index = 0;
  for (int i = 0; i < 500; ++i) {
    if (random.next() % 20 == 0) ++term;
    if (random.next() % 20 == 0) index -= std::min<uint64_t>(index, random.next() % 3);
    Message m = random.next() % 10 == 0 ? link_heartbeat() : app(term, term - (random.next() % 30 == 0 ? 1 : 0), index, {}, index);
    if (!is_link_heartbeat(m)) {
      std::vector<Entry> entries;
      for (uint64_t n = random.next() % 4; n > 0; --n)
        entries.push_back(entry(term, ++index, std::string(random.next() % 300, 'v')));
      m.entries = std::move(entries);
    }
    encoder.append(m, stream);
    sent.push_back(std::move(m));
  }
  for (size_t piece : {size_t{1}, size_t{13}, size_t{1000}, stream.size()}) {
    MsgAppDecoder decoder(MemberId(1), MemberId(2));
    std::vector<Message> received;
    for (size_t at = 0; at < stream.size(); at += piece)
      ASSERT_TRUE(decoder.feed(std::string_view(stream).substr(at, piece), received).ok());
    EXPECT_EQ(received, sent) << piece;
  }
}

TEST(MsgAppStream, NonsenseIsAnError) {
  std::vector<Message> messages;
  EXPECT_EQ(message(MsgAppDecoder(MemberId(1), MemberId(2)).feed("\x07", messages)),
            "failed to parse type 7 in msgappv2 stream");
  // An entry longer than a frame may be.
  EXPECT_FALSE(MsgAppDecoder(MemberId(1), MemberId(2))
                   .feed(std::string("\x01\0\0\0\0\0\0\0\x01\0\0\0\0\x20\0\0\x01", 17), messages)
                   .ok());
  // A count alone costs nothing.
  MsgAppDecoder decoder(MemberId(1), MemberId(2));
  EXPECT_TRUE(decoder.feed(std::string("\x01\xff\xff\xff\xff\xff\xff\xff\xff", 9), messages).ok());
  EXPECT_EQ(decoder.held_bytes(), 0u);
  EXPECT_TRUE(messages.empty());
}

}  // namespace
}  // namespace holdfast::peer
