// RAL-01, RAL-02: the wire. Bytes in hex are what etcd-io/raft v3.7.0 writes.
#include "raft/codec.h"

#include <string>

#include "base/random.h"
#include "gtest/gtest.h"

namespace holdfast::raft {
namespace {

std::string unhex(std::string_view hex) {
  std::string out;
  for (size_t i = 0; i + 1 < hex.size(); i += 2)
    out += static_cast<char>(std::stoi(std::string(hex.substr(i, 2)), nullptr, 16));
  return out;
}

const ConfState kMembers{.voters = {MemberId(1), MemberId(2), MemberId(300)},
                         .learners = {MemberId(4)},
                         .voters_outgoing = {MemberId(1), MemberId(2), MemberId(5)},
                         .learners_next = {MemberId(5)},
                         .auto_leave = true};
const Entry kEntry{.term = Term(3), .index = Index(300), .data = SharedBytes("hello")};

Snapshot snapshot() {
  return {.data = SharedBytes("snap"), .metadata = {kMembers, Index(11), Term(2)}};
}

Message message(MessageType type, uint64_t from, uint64_t to, uint64_t term) {
  Message m;
  m.type = type;
  m.from = MemberId(from);
  m.to = MemberId(to);
  m.term = Term(term);
  return m;
}

// VD-21: raft's optional fields are written when they are zero.
TEST(Codec, WritesWhatEtcdWrites) {
  EXPECT_EQ(encoded(kEntry), unhex("100318ac02220568656c6c6f"));
  EXPECT_EQ(encoded(Entry{.term = Term(1), .index = Index(1)}), unhex("10011801"));
  EXPECT_EQ(encoded(Entry{.term = Term(1),
                          .index = Index(2),
                          .type = EntryType::conf_change,
                          .data = SharedBytes("")}),
            unhex("0801100118022200"));
  EXPECT_EQ(encoded(HardState{Term(5), kNone, Index(7)}), unhex("080510001807"));
  EXPECT_EQ(encoded(kMembers), unhex("0801080208ac02100418011802180520052801"));
  EXPECT_EQ(encoded(snapshot()),
            unhex("0a04736e617012190a130801080208ac02100418011802180520052801100b1802"));
  EXPECT_EQ(encoded(ConfChange{
                .node_id = MemberId(0x8e9e05c52164694d), .context = SharedBytes("ctx"), .id = 77}),
            unhex("084d100018cdd2918bd2b881cf8e012203637478"));
  EXPECT_EQ(encoded(ConfChangeV2{.transition = ConfChangeTransition::joint_explicit,
                                 .changes = {{ConfChangeType::add_learner_node, MemberId(4)},
                                             {ConfChangeType::add_node, MemberId(5)}},
                                 .context = SharedBytes("c")}),
            unhex("08021204080310041204080010051a0163"));
}

struct Golden {
  Message message;
  std::string_view hex;
};

std::vector<Golden> golden_messages() {
  std::vector<Golden> all;
  Message app = message(MessageType::app, 1, 2, 5);
  app.log_term = Term(3);
  app.index = Index(299);
  app.commit = Index(298);
  app.entries = {kEntry, Entry{.term = Term(5), .index = Index(301)}};
  all.push_back(
      {app, "0803100218012005280330ab023a0c100318ac02220568656c6c6f3a05100518ad0240aa02"});
  Message refusal = message(MessageType::app_resp, 2, 1, 5);
  refusal.log_term = Term(2);
  refusal.index = Index(299);
  refusal.reject = true;
  refusal.reject_hint = Index(17);
  all.push_back({refusal, "0804100118022005280230ab0250015811"});
  Message snap = message(MessageType::snap, 1, 2, 5);
  snap.snapshot = std::make_shared<Snapshot>(snapshot());
  all.push_back({snap,
                 "08071002180120054a210a04736e617012190a130801080208ac021004180118021805200528"
                 "01100b1802"});
  Message vote = message(MessageType::vote, 1, 2, 6);
  vote.log_term = Term(3);
  vote.index = Index(9);
  vote.context = SharedBytes(kCampaignTransfer);
  all.push_back({vote, "080510021801200628033009621043616d706169676e5472616e73666572"});
  Message heartbeat = message(MessageType::heartbeat, 1, 2, 6);
  heartbeat.commit = Index(8);
  heartbeat.context = SharedBytes(std::string_view("\1\0\0\0\0\0\0\0", 8));
  all.push_back({heartbeat, "0808100218012006400862080100000000000000"});
  Message append = message(MessageType::storage_append, 1, kLocalAppendThread.value, 6);
  append.vote = MemberId(1);
  append.commit = Index(8);
  append.responses.push_back(message(MessageType::app_resp, 1, 1, 6));
  append.responses[0].index = Index(9);
  all.push_back({append, "081310ffffffffffffffffff011801200640086801720a08041001180120063009"});
  return all;
}

TEST(Codec, MessagesAreThoseOfEtcd) {
  for (const Golden& golden : golden_messages()) {
    EXPECT_EQ(encoded(golden.message), unhex(golden.hex)) << name(golden.message.type);
    const absl::StatusOr<Message> read = decode_message(unhex(golden.hex));
    ASSERT_TRUE(read.ok());
    EXPECT_TRUE(*read == golden.message) << name(golden.message.type);
  }
}

// 3.4 to 3.6 write all numbers, zero or not, and an empty snapshot with every message.
TEST(Codec, ReadsTheMessagesOfOlderMembers) {
  const absl::StatusOr<Message> read =
      decode_message(unhex("08081002180120062800300040084a0a12080a02280010001800500058006800"));
  ASSERT_TRUE(read.ok());
  Message heartbeat = message(MessageType::heartbeat, 1, 2, 6);
  heartbeat.commit = Index(8);
  EXPECT_TRUE(*read == heartbeat);
  EXPECT_FALSE(read->has_snapshot());

  const absl::StatusOr<Entry> entry = decode_entry(unhex("080010011801"));
  ASSERT_TRUE(entry.ok());
  EXPECT_EQ(*entry, (Entry{.term = Term(1), .index = Index(1), .type_stands = true}));
  EXPECT_EQ(encoded(*entry), unhex("080010011801"));
  EXPECT_EQ(encoded_size(*entry), 6u);
  EXPECT_TRUE(entry->data.is_nil());
  EXPECT_FALSE(decode_entry(unhex("2200"))->data.is_nil());
}

TEST(Codec, PackedIdsAndUnknownFieldsAreUnderstood) {
  const absl::StatusOr<ConfState> state =
      decode_conf_state(unhex("0a03010203"
                              "7a0161"));
  ASSERT_TRUE(state.ok());
  EXPECT_EQ(state->voters, (std::vector<MemberId>{MemberId(1), MemberId(2), MemberId(3)}));
  // A message type that does not exist yet.
  EXPECT_EQ(static_cast<int>(decode_message(unhex("0863"))->type), 99);
}

TEST(Codec, SizesAreThoseOfTheBytes) {
  Random random(8);
  for (int i = 0; i < 2000; ++i) {
    const Entry entry{.term = Term(random.next() >> random.below(64)),
                      .index = Index(random.next() >> random.below(64)),
                      .type = static_cast<EntryType>(random.below(3)),
                      .data = random.chance(1, 3)
                                  ? SharedBytes()
                                  : SharedBytes(std::string(random.below(300), 'z'))};
    ASSERT_EQ(encoded_size(entry), encoded(entry).size());
    ASSERT_EQ(*decode_entry(encoded(entry)), entry);
  }
}

TEST(Codec, LimitKeepsAtLeastOneEntry) {
  const Entries entries{kEntry, kEntry, kEntry};
  const uint64_t one = encoded_size(kEntry);
  EXPECT_EQ(limit_size(entries, 0).size(), 1u);
  EXPECT_EQ(limit_size(entries, 2 * one - 1).size(), 1u);
  EXPECT_EQ(limit_size(entries, 2 * one).size(), 2u);
  EXPECT_EQ(limit_size(entries, 100 * one).size(), 3u);
  EXPECT_TRUE(limit_size({}, 10).empty());
}

Message random_message(Random& random, int depth) {
  Message m;
  const auto number = [&random] {
    return random.chance(1, 3) ? uint64_t{0} : random.next() >> random.below(64);
  };
  m.type = static_cast<MessageType>(random.below(kMessageTypes));
  m.to = MemberId(number());
  m.from = MemberId(number());
  m.term = Term(number());
  m.log_term = Term(number());
  m.index = Index(number());
  m.commit = Index(number());
  m.vote = MemberId(number());
  m.reject = random.chance(1, 2);
  m.reject_hint = Index(number());
  std::vector<Entry> entries(random.below(4), kEntry);
  m.entries = Entries(std::move(entries));
  if (random.chance(1, 3)) m.snapshot = std::make_shared<Snapshot>(snapshot());
  if (random.chance(1, 2)) m.context = SharedBytes("context");
  if (depth == 0) {
    for (uint64_t i = random.below(3); i > 0; --i)
      m.responses.push_back(random_message(random, depth + 1));
  }
  return m;
}

TEST(Codec, MessagesSurviveTheWire) {
  Random random(9);
  for (int i = 0; i < 2000; ++i) {
    const Message m = random_message(random, 0);
    const std::string bytes = encoded(m);
    const absl::StatusOr<Message> read = decode_message(bytes);
    ASSERT_TRUE(read.ok());
    ASSERT_TRUE(*read == m);
    ASSERT_EQ(encoded(*read), bytes);
  }
}

TEST(Codec, MutilatedMessagesAreRefusedOrUnderstoodButNeverHarmful) {
  Random random(10);
  for (int i = 0; i < 20'000; ++i) {
    std::string bytes = encoded(random_message(random, 0));
    if (bytes.empty()) continue;
    for (uint64_t k = random.below(3) + 1; k > 0; --k)
      bytes[random.below(bytes.size())] = static_cast<char>(random.next());
    bytes.resize(bytes.size() - random.below(bytes.size()));
    // On the heap, at its exact size: a read beyond the end is seen by the address sanitizer.
    const std::vector<char> exact(bytes.begin(), bytes.end());
    const absl::StatusOr<Message> read = decode_message({exact.data(), exact.size()});
    if (read.ok()) {
      ASSERT_TRUE(decode_message(encoded(*read)).ok());
    }
  }
}

TEST(Codec, RefusesWhatItCannotMean) {
  EXPECT_FALSE(decode_entry(unhex("0809")).ok());        // entry type 9
  EXPECT_FALSE(decode_conf_change(unhex("1009")).ok());  // conf change type 9
  EXPECT_FALSE(decode_message(unhex("3a05")).ok());      // ends before its entry
  EXPECT_FALSE(decode_message(unhex("72047202"
                                    "7200"))
                   .ok());  // responses to responses
  EXPECT_FALSE(decode_hard_state(unhex("08")).ok());
}

TEST(Codec, ConfChangeEntriesCarryTheirChange) {
  const ConfChange change{.type = ConfChangeType::remove_node, .node_id = MemberId(3)};
  const Entry v1 = conf_change_entry(change);
  EXPECT_EQ(v1.type, EntryType::conf_change);
  ASSERT_TRUE(conf_change_of(v1).ok());
  EXPECT_EQ(conf_change_of(v1)->changes,
            (std::vector<ConfChangeSingle>{{ConfChangeType::remove_node, MemberId(3)}}));
  EXPECT_TRUE(leave_joint_entry().data.is_nil());
  EXPECT_TRUE(conf_change_of(leave_joint_entry())->changes.empty());
  EXPECT_FALSE(conf_change_of(kEntry).ok());
}

}  // namespace
}  // namespace holdfast::raft
