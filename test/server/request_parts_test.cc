// What V3Server is made of: requests seen as bytes, their texts in the log, the answers' header.
#include <gtest/gtest.h>

#include "base/wire.h"
#include "fmt/format.h"
#include "server/request_text.h"
#include "server/request_views.h"
#include "server/response_header.h"
#include "test/server/v3_world.h"

namespace holdfast::server {
namespace {

namespace pb = etcdserverpb;

TEST(RequestViews, AgreeWithProtobuf) {
  pb::RangeRequest request;
  request.set_key("a");
  request.set_range_end("b");
  request.set_limit(-1);
  request.set_revision(1LL << 40);
  request.set_sort_order(pb::RangeRequest::DESCEND);
  request.set_sort_target(pb::RangeRequest::VALUE);
  request.set_serializable(true);
  request.set_keys_only(true);
  request.set_count_only(true);
  request.set_min_mod_revision(1);
  request.set_max_mod_revision(2);
  request.set_min_create_revision(3);
  request.set_max_create_revision(4);
  const std::string bytes = request.SerializeAsString();
  auto view = parse_range(bytes);
  ASSERT_TRUE(view);
  EXPECT_EQ(to_message(*view).SerializeAsString(), bytes);
  EXPECT_EQ(to_message(view_of(request)).SerializeAsString(), bytes);
}

TEST(RequestViews, UnusualBytes) {
  // The last value counts; a known number with another type is unknown; groups are skipped.
  std::string bytes;
  wire::Writer writer(bytes);
  writer.put_bytes(1, "first");
  writer.put_bytes(1, "last");
  writer.put_uint64(2, 7);
  bytes += "\x53\x08\x01\x54";  // group 10
  writer.put_uint64(5, 300);    // a bool of more than one byte
  auto view = parse_put(bytes);
  ASSERT_TRUE(view);
  EXPECT_EQ(view->key, "last");
  EXPECT_EQ(view->value, "");
  EXPECT_TRUE(view->ignore_value);
  EXPECT_TRUE(parse_put(""));
  EXPECT_FALSE(parse_put("\x0a\x05k"));  // truncated
  EXPECT_FALSE(parse_put("\x0c"));       // end of no group
  EXPECT_FALSE(parse_range(std::string("\x00\x00", 2)));
  // Half a million empty groups must not cost half a million stack frames.
  std::string groups;
  for (int i = 0; i < 500'000; ++i) groups += "\x53\x54";
  EXPECT_TRUE(parse_put(groups));
}

TEST(RequestText, SizesInsteadOfValues) {  // GEN-13
  PutView put;
  put.key = "a\"\n";
  put.value = "secret";
  put.prev_kv = true;
  EXPECT_EQ(loggable(put), R"(key:"a\"\n" value_size:6 prev_kv:true)");
  pb::TxnRequest txn;
  txn.add_compare()->set_value("secret");
  txn.add_success()->mutable_request_put()->set_value("secret");
  EXPECT_EQ(loggable(txn),
            "compare:<value_size:6> success:<request_put:<value_size:6>> failure:<>");
}

TEST(ResponseHeader, LargestNumbersFit) {
  class Largest : public FakeMember {
    MemberId member_id() const override { return MemberId(UINT64_MAX); }
    ClusterId cluster_id() const override { return ClusterId(UINT64_MAX); }
    Term term() const override { return Term(UINT64_MAX); }
  } member;
  std::string out;
  append_header(out, member, Revision(-1));
  EXPECT_LE(out.size(), kHeaderBytesMax);
  pb::PutResponse response;
  ASSERT_TRUE(response.ParseFromString(out));
  EXPECT_EQ(response.header().revision(), -1);
  EXPECT_EQ(response.header().raft_term(), UINT64_MAX);
}

}  // namespace
}  // namespace holdfast::server
