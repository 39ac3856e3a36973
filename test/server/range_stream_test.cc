// RangeStream: a large range in chunks (parity section RS).
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "fmt/format.h"
#include "server/v3_server.h"
#include "test/server/v3_world.h"

namespace holdfast::server {
namespace {

namespace pb = etcdserverpb;
using testing::ElementsAre;

class RangeStreamTest : public testing::Test {
 protected:
  std::unique_ptr<RangeStream> open(const pb::RangeRequest& request,
                                    absl::Status* status = nullptr) {
    bytes = request.SerializeAsString();
    std::unique_ptr<RangeStream> stream;
    w.v3->range_stream(w.context(), *parse_range(bytes), {},
                       [&](absl::StatusOr<std::unique_ptr<RangeStream>> s) {
                         if (status) *status = s.status();
                         if (s.ok()) stream = *std::move(s);
                       });
    w.world.run_ready();
    return stream;
  }
  static pb::RangeResponse next(RangeStream& stream) {
    auto bytes = stream.next();
    EXPECT_TRUE(bytes.ok()) << bytes.status();
    pb::RangeStreamResponse response;
    EXPECT_TRUE(response.ParseFromString(*bytes));
    return response.range_response();
  }
  std::string bytes;
  V3World w;
};

TEST_F(RangeStreamTest, ChunksMergeToTheRange) {  // RS-01, RS-03, RS-05, VD-16
  for (int i = 0; i < 95; ++i) w.put(fmt::format("k{:03}", i), "v");
  pb::RangeRequest request = all_keys();
  auto stream = open(request);
  pb::RangeResponse merged;
  std::vector<int> sizes;
  while (!stream->is_done()) {
    const pb::RangeResponse chunk = next(*stream);
    EXPECT_EQ(chunk.has_header(), stream->is_done());
    sizes.push_back(chunk.kvs_size());
    merged.MergeFrom(chunk);
  }
  EXPECT_THAT(sizes, ElementsAre(10, 20, 40, 25));
  EXPECT_EQ(merged.SerializeAsString(), ask_range(w, request)->SerializeAsString());
  EXPECT_TRUE(stream->final_status().ok());
}

TEST_F(RangeStreamTest, RevisionIsPinned) {  // RS-04, RS-07, TRP-24
  for (int i = 0; i < 15; ++i) w.put(fmt::format("k{:02}", i), "v");
  auto stream = open(all_keys());
  next(*stream);
  w.put("k99", "later");
  const pb::RangeResponse last = next(*stream);
  EXPECT_TRUE(stream->is_done());
  EXPECT_EQ(last.header().revision(), 16);
  EXPECT_EQ(last.count(), 15);
}

TEST_F(RangeStreamTest, CompactionInBetween) {  // RS-04
  for (int i = 0; i < 15; ++i) w.put(fmt::format("k{:02}", i), "v");
  auto stream = open(all_keys());
  next(*stream);
  w.put("x", "y");
  ASSERT_TRUE(w.member.store_now->compact(Revision(17), {}).ok());
  EXPECT_TRUE(is(stream->next().status(), EtcdError::compacted));
}

TEST_F(RangeStreamTest, LimitAndCount) {  // RS-05
  for (int i = 0; i < 30; ++i) w.put(fmt::format("k{:02}", i), "v");
  pb::RangeRequest request = all_keys();
  request.set_limit(13);
  auto stream = open(request);
  EXPECT_EQ(next(*stream).kvs_size(), 10);
  const pb::RangeResponse last = next(*stream);
  EXPECT_TRUE(stream->is_done());
  EXPECT_EQ(last.kvs_size(), 3);
  EXPECT_TRUE(last.more());
  EXPECT_EQ(last.count(), 30);
}

TEST_F(RangeStreamTest, CountOnlyAndEmpty) {  // RS-06
  auto stream = open(all_keys());
  pb::RangeResponse only = next(*stream);
  EXPECT_TRUE(stream->is_done());
  EXPECT_EQ(only.header().revision(), 1);
  EXPECT_EQ(only.kvs_size(), 0);
  for (int i = 0; i < 12; ++i) w.put(fmt::format("k{:02}", i), "v");
  pb::RangeRequest request = all_keys();
  request.set_count_only(true);
  stream = open(request);
  only = next(*stream);
  EXPECT_TRUE(stream->is_done());
  EXPECT_EQ(only.count(), 12);
  EXPECT_TRUE(only.has_header());
}

TEST_F(RangeStreamTest, ChunksShrinkWithBigValues) {  // RS-03
  for (int i = 0; i < 30; ++i) w.put(fmt::format("k{:02}", i), std::string(400'000, 'x'));
  auto stream = open(all_keys());
  EXPECT_EQ(next(*stream).kvs_size(), 10);  // 4 MB: more than twice the target
  EXPECT_EQ(next(*stream).kvs_size(), 5);   // 2 MB: near enough
  EXPECT_EQ(next(*stream).kvs_size(), 5);
}

TEST_F(RangeStreamTest, SortsWithinChunks) {  // RS-02
  for (int i = 0; i < 12; ++i) w.put(fmt::format("k{:02}", i), fmt::format("v{:02}", 50 - i));
  pb::RangeRequest request = all_keys();
  request.set_sort_target(pb::RangeRequest::VALUE);
  auto stream = open(request);
  const pb::RangeResponse first = next(*stream);
  ASSERT_EQ(first.kvs_size(), 10);
  EXPECT_EQ(first.kvs(0).key(), "k09");
  EXPECT_EQ(first.kvs(9).key(), "k00");
  const pb::RangeResponse last = next(*stream);
  ASSERT_TRUE(stream->is_done());
  ASSERT_EQ(last.kvs_size(), 2);
  EXPECT_EQ(last.kvs(0).key(), "k11");
  EXPECT_EQ(last.count(), 12);
  request.set_keys_only(true);
  stream = open(request);
  const pb::RangeResponse keys = next(*stream);
  EXPECT_EQ(keys.kvs(0).key(), "k09");
  EXPECT_EQ(keys.kvs(0).value(), "");
}

TEST_F(RangeStreamTest, Refusals) {  // RS-02
  absl::Status status;
  pb::RangeRequest request = all_keys();
  request.set_sort_order(pb::RangeRequest::DESCEND);
  EXPECT_EQ(open(request, &status), nullptr);
  EXPECT_TRUE(is(status, EtcdError::range_stream_custom_sort));
  request = all_keys();
  request.set_min_mod_revision(3);
  EXPECT_EQ(open(request, &status), nullptr);
  EXPECT_TRUE(is(status, EtcdError::range_stream_revision_filters));
  request = all_keys();
  request.clear_key();
  EXPECT_EQ(open(request, &status), nullptr);
  EXPECT_TRUE(is(status, EtcdError::empty_key));
  request = all_keys();
  request.set_sort_order(pb::RangeRequest::ASCEND);
  EXPECT_NE(open(request, &status), nullptr);
}

}  // namespace
}  // namespace holdfast::server
