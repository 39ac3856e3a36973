#include "wal/record.h"

#include "base/crc32c.h"
#include "base/wire.h"
#include "gtest/gtest.h"
#include "raft/codec.h"
#include "wal/segments.h"
#include "wal_fixture.h"

namespace holdfast::wal {
namespace {

std::string bytes(std::initializer_list<int> values) {
  std::string out;
  for (int v : values) out.push_back(static_cast<char>(v));
  return out;
}

// WAL-03
TEST(Frame, CountsPaddingInItsTopByte) {  // TRP-52
  EXPECT_EQ(encode_frame(8), 8u);
  EXPECT_EQ(encode_frame(9), uint64_t{0x87} << 56 | 9);
  EXPECT_EQ(encode_frame(15), uint64_t{0x81} << 56 | 15);
  for (uint64_t n = 1; n < 100; ++n) {
    const auto frame = decode_frame(encode_frame(n));
    ASSERT_TRUE(frame);
    EXPECT_EQ(frame->record_bytes, n);
    EXPECT_EQ((n + frame->pad_bytes) % 8, 0u);
    EXPECT_LT(frame->pad_bytes, 8u);
  }
}

TEST(Frame, EveryFlippedBitThatBreaksTheRuleIsSeen) {
  for (uint64_t n : {14u, 16u, 100u}) {
    const uint64_t field = encode_frame(n);
    for (int bit : {0, 1, 2, 56, 57, 58, 59, 60, 61, 62, 63})
      EXPECT_FALSE(decode_frame(field ^ uint64_t{1} << bit)) << n << " bit " << bit;
  }
}

// WAL-04, WAL-05: the head of a log as etcd writes it (metadata "somedata").
TEST(RecordWriter, WritesEtcdsBytes) {
  RecordWriter writer;
  writer.put_crc();
  writer.put(RecordType::metadata, "somedata");
  writer.put(RecordType::snapshot, encode(SnapshotRecord{}));
  const std::string expected = bytes({0x04, 0, 0, 0, 0, 0, 0, 0x84, 0x08, 0x04, 0x10, 0x00, 0, 0, 0, 0}) +
      bytes({0x12, 0, 0, 0, 0, 0, 0, 0x86, 0x08, 0x01, 0x10, 0x85, 0xd4, 0xfd, 0xa0, 0x07, 0x1a, 0x08}) +
      "somedata" + std::string(6, '\0') +
      bytes({0x0e, 0, 0, 0, 0, 0, 0, 0x82, 0x08, 0x05, 0x10, 0x80, 0xdb, 0x81, 0xc1, 0x01, 0x1a, 0x04, 0x08, 0x00,
             0x10, 0x00, 0, 0});
  EXPECT_EQ(std::string(writer.buffered()), expected);
  EXPECT_EQ(writer.crc(), crc32c(std::string("somedata") + bytes({0x08, 0x00, 0x10, 0x00})));
}

TEST(RecordWriter, EntryIsWhatTheCodecWrites) {
  std::vector<raft::Entry> entries = {entry(1, 1, ""), entry(300, 70'000, std::string(500, 'x')),
                                      {Term(3), Index(4), raft::EntryType::normal, false, {}},
                                      {Term(3), Index(5), raft::EntryType::normal, true, {}}};
  entries.push_back({Term(UINT64_MAX), Index(UINT64_MAX), raft::EntryType::conf_change, false,
                     SharedBytes("change")});
  RecordWriter direct, general;
  for (const raft::Entry& e : entries) {
    direct.put_entry(e);
    general.put(RecordType::entry, raft::encoded(e));
  }
  EXPECT_EQ(direct.buffered(), general.buffered());
  EXPECT_EQ(direct.crc(), general.crc());
}

TEST(RecordWriter, GrowsAndStartsOver) {
  RecordWriter writer;
  const std::string big(10 * 1024 * 1024, 'b');
  writer.put(RecordType::entry, big);
  EXPECT_GT(writer.buffered().size(), big.size());
  const uint32_t crc = writer.crc();
  writer.clear();
  EXPECT_TRUE(writer.buffered().empty());
  EXPECT_EQ(writer.crc(), crc);
  writer.put_crc();
  EXPECT_EQ(writer.buffered().size() % 8, 0u);
}

TEST(ParseRecord, AcceptsOnlyTheWrittenForm) {
  EXPECT_TRUE(parse_record(bytes({0x08, 4, 0x10, 0})));
  EXPECT_TRUE(parse_record(bytes({0x08, 2, 0x10, 0, 0x1a, 1, 'x'})));
  EXPECT_FALSE(parse_record(""));
  EXPECT_FALSE(parse_record(bytes({0x08, 4})));
  EXPECT_FALSE(parse_record(bytes({0x10, 0, 0x08, 4})));
  EXPECT_FALSE(parse_record(bytes({0x08, 0, 0x10, 0})));
  EXPECT_FALSE(parse_record(bytes({0x08, 6, 0x10, 0})));
  EXPECT_FALSE(parse_record(bytes({0x08, 4, 0x10, 0, 0x1a, 1, 'x'}))) << "a crc record has no data";
  EXPECT_FALSE(parse_record(bytes({0x08, 2, 0x10, 0, 0x1a, 2, 'x'})));
  EXPECT_FALSE(parse_record(bytes({0x08, 2, 0x10, 0, 0x1a, 1, 'x', 0})));
  EXPECT_FALSE(parse_record(bytes({0x08, 2, 0x10, 0x80, 0x80, 0x80, 0x80, 0x10}))) << "33 bits";
}

// WAL-07
TEST(Metadata, RoundTrip) {
  const Metadata metadata{MemberId(0x8e9e05c52164694d), ClusterId(0xcdf818194e3a8c32)};
  EXPECT_EQ(*decode_metadata(encode(metadata)), metadata);
  EXPECT_EQ(encode(Metadata{}), bytes({0x08, 0, 0x10, 0}));
  EXPECT_FALSE(decode_metadata("\xff").ok());
}

// WAL-08, TRP-47
TEST(State, IsWrittenWithItsZeros) {
  EXPECT_EQ(encode(state(2, 0, 5)), bytes({0x08, 2, 0x10, 0, 0x18, 5}));
  EXPECT_EQ(*decode_state(encode(state(7, 8, 9))), state(7, 8, 9));
  EXPECT_EQ(*decode_state(encode(raft::HardState{})), raft::HardState{});
}

TEST(State, AnEntryOrASnapshotIsNoState) {
  EXPECT_FALSE(decode_state(raft::encoded(entry(5, 2, "data"))).ok());
  EXPECT_FALSE(decode_state(raft::encoded(raft::Entry{.term = Term(2), .index = Index(5)})).ok());
  EXPECT_FALSE(decode_state(encode(snapshot(5, 2))).ok());
  EXPECT_FALSE(decode_state(encode(SnapshotRecord{})).ok());
  // etcd 3.4 writes the type of a leader's empty entry: fields 1, 2, 3, as a state has.
  EXPECT_FALSE(decode_state(bytes({0x08, 0, 0x10, 2, 0x18, 5})).ok());
}

TEST(EntryRecord, RejectsWhatIsNone) {
  EXPECT_FALSE(decode_entry(encode(state(7, 1, 9))).ok()) << "unknown type 7";
  EXPECT_FALSE(decode_entry(encode(state(1, 1, 9))).ok()) << "conf change without content";
  EXPECT_FALSE(decode_entry("").ok());
  EXPECT_FALSE(decode_entry(encode(snapshot(5, 2))).ok());
  const auto old = decode_entry(bytes({0x08, 0, 0x10, 2, 0x18, 5, 0x22, 1, 'v'}));  // etcd <= 3.6
  ASSERT_TRUE(old.ok());
  raft::Entry expected = entry(5, 2, "v");
  expected.type_stands = true;
  EXPECT_EQ(*old, expected);
}

TEST(SnapshotRecordCodec, RoundTripWithAndWithoutConfiguration) {
  SnapshotRecord record{Index(10), Term(2), std::nullopt};
  EXPECT_EQ(encode(record), bytes({0x08, 10, 0x10, 2}));  // etcd < 3.5
  EXPECT_EQ(*decode_snapshot(encode(record)), record);
  record.conf_state = raft::ConfState{.voters = {MemberId(1), MemberId(300)},
                                      .learners = {MemberId(3)}};
  EXPECT_EQ(encode(record), bytes({0x08, 10, 0x10, 2, 0x1a, 9, 0x08, 1, 0x08, 0xac, 0x02, 0x10, 3, 0x28, 0}));
  EXPECT_EQ(*decode_snapshot(encode(record)), record);
  EXPECT_FALSE(decode_snapshot(bytes({0x08, 10})).ok());
  EXPECT_FALSE(decode_snapshot(encode(state(1, 2, 3))).ok());
}

// WAL-01
TEST(SegmentName, Text) {
  const SegmentName name{0x1a, Index(0xfed)};
  EXPECT_EQ(name.text(), "000000000000001a-0000000000000fed.wal");
  EXPECT_EQ(parse_segment_name(name.text()), name);
  for (const char* bad : {"", "0.tmp", "000000000000001a-0000000000000fed.wal.broken",
                          "00000000000000xa-0000000000000fed.wal", "000000000000001a_0000000000000fed.wal",
                          "-00000000000001a-0000000000000fed.wal", "1-2.wal"})
    EXPECT_FALSE(parse_segment_name(bad)) << bad;
}

}  // namespace
}  // namespace holdfast::wal
