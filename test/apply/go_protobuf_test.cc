#include "apply/go_protobuf.h"

#include "apply/parsed_request.h"
#include "base/wire.h"
#include "gtest/gtest.h"
#include "raft_internal.pb.h"

namespace holdfast::apply {
namespace {

namespace pb = etcdserverpb;
using namespace std::string_literals;

std::string nested(int depth) {
  std::string txn;
  for (int i = 0; i < depth; ++i) {
    std::string op, outer;
    wire::Writer(op).put_bytes(pb::RequestOp::kRequestTxnFieldNumber, txn);
    wire::Writer(outer).put_bytes(pb::TxnRequest::kSuccessFieldNumber, op);
    txn = outer;
  }
  return txn;
}

WireFault fault(std::string_view bytes, const google::protobuf::Descriptor* type = pb::DeleteRangeRequest::descriptor()) {
  return find_wire_fault(bytes, *type);
}

// What Go says to each was tried with etcd 3.7.1.
TEST(GoProtobuf, RefusesWhatGoRefuses) {
  EXPECT_EQ(fault("\x18\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"), WireFault::none);       // 64 bits
  EXPECT_EQ(fault("\x18\xff\xff\xff\xff\xff\xff\xff\xff\xff\x02"), WireFault::malformed);  // 65
  EXPECT_EQ(fault("\x18\xff\xff\xff\xff\xff\xff\xff\xff\xff\x81\x01"), WireFault::malformed);
  EXPECT_EQ(fault("\x02\x01k"), WireFault::malformed);                  // field 0
  EXPECT_EQ(fault("\x82\x80\x80\x80\x10\x00"s), WireFault::malformed);  // field 2^29
  EXPECT_EQ(fault("\x0a\x05k"), WireFault::malformed);                  // cut off
  EXPECT_EQ(fault("\x0e"), WireFault::malformed);                       // type 6
  EXPECT_EQ(fault("\x7b\x7c"), WireFault::none);                        // a group, unknown
  EXPECT_EQ(fault("\x7b\x00\x00\x7c"s, pb::DeleteRangeRequest::descriptor()), WireFault::malformed);  // field 0 in it
  EXPECT_EQ(fault("\x7b\x84\x01"), WireFault::malformed);               // another's end
  EXPECT_EQ(fault("\x7c"), WireFault::malformed);                       // an end without beginning
}

TEST(GoProtobuf, LooksIntoMessagesAndStringsAndPackedNumbers) {
  const auto* txn = pb::TxnRequest::descriptor();
  EXPECT_EQ(fault("\x12\x04\x12\x02\x18\x01", txn), WireFault::none);
  EXPECT_EQ(fault("\x12\x05\x12\x03\x18\xff\xff", txn), WireFault::malformed);  // in a put of an operation
  EXPECT_EQ(fault("\x12\x02\x10\xff", txn), WireFault::malformed);
  const auto* member = pb::MemberAddRequest::descriptor();
  EXPECT_EQ(fault("\x0a\x02\xc3\xa4", member), WireFault::none);
  EXPECT_EQ(fault("\x0a\x02\xc3(", member), WireFault::invalid_utf8);
  EXPECT_EQ(fault("\x0a\x03\xed\xa0\x80", member), WireFault::invalid_utf8);  // a surrogate
  EXPECT_EQ(fault("\x08\x01", member), WireFault::none);                      // another type: unknown
  const auto* watch = pb::WatchCreateRequest::descriptor();
  EXPECT_EQ(fault("\x2a\x03\x01\x80\x01", watch), WireFault::none);  // filters, packed
  EXPECT_EQ(fault("\x2a\x02\x01\x80", watch), WireFault::malformed);
}

TEST(GoProtobuf, NestingIsBounded) {
  const auto* txn = pb::TxnRequest::descriptor();
  EXPECT_EQ(fault(nested(4999), txn), WireFault::none);
  EXPECT_EQ(fault(nested(5001), txn), WireFault::malformed);
  const std::string deep(10'001, '\x7b');
  EXPECT_EQ(fault(deep + std::string(10'001, '\x7c')), WireFault::none);
  EXPECT_EQ(fault(deep + "\x7b" + std::string(10'002, '\x7c')), WireFault::malformed);
}

// In a group that we don't know, a tag in ten bytes: C++'s parser refuses it, an etcd leader has taken it.
TEST(GoProtobuf, AnEntryThatOnlyGoReadsIsRead) {
  pb::InternalRaftRequest request;
  request.mutable_header()->set_id(7);
  request.mutable_delete_range()->set_key("k");
  request.mutable_delete_range()->set_range_end("l");
  request.mutable_delete_range()->set_prev_kv(true);
  const std::string plain = request.SerializeAsString();
  const std::string odd = plain + "\x7b\x88\x80\x80\x80\x80\x80\x80\x80\x80\x00\x01\x7c"s;
  ASSERT_FALSE(pb::InternalRaftRequest().ParseFromString(odd));
  EXPECT_EQ(without_unknown_fields(odd, *pb::InternalRaftRequest::descriptor()), plain);
  ParsedRequest parsed;
  ASSERT_TRUE(parsed.parse(odd));
  EXPECT_EQ(parsed.id(), 7u);
  EXPECT_EQ(parsed.kind(), CommandKind::delete_range);
  EXPECT_EQ(parsed.message().SerializeAsString(), plain);
  EXPECT_FALSE(parsed.parse(plain + "\x7b"));
}

}  // namespace
}  // namespace holdfast::apply
