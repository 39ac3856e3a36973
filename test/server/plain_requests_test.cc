// Requests go into the log as their clients wrote them, unless some member might not be able to read them.
#include <gtest/gtest.h>

#include "apply/go_protobuf.h"
#include "rpc.pb.h"
#include "server/request_views.h"
#include "test/server/v3_world.h"

namespace holdfast::server {
namespace {

namespace pb = etcdserverpb;

TEST(PlainRequests, PutsAreJudgedAsByTheirDescriptor) {
  pb::PutRequest put;
  put.set_key("key");
  put.set_value(std::string(300, 'v'));
  put.set_lease(-5);
  put.set_prev_kv(true);
  put.set_ignore_lease(true);
  const std::string bytes = put.SerializeAsString();
  EXPECT_TRUE(is_plain(*parse_put(bytes)));
  for (const std::string& odd : {std::string("\x08\x01"),          // the key as a number
                                 std::string("\x7b\x7c"),          // a group
                                 std::string("\x20\x81\x00", 3)}) {  // a number longer than need be
    EXPECT_FALSE(is_plain(*parse_put(bytes + odd))) << odd;
    EXPECT_FALSE(apply::is_plain(bytes + odd, *pb::PutRequest::descriptor())) << odd;
  }
  // Field 15, which a newer member may know, and a key that comes twice.
  for (const char* more : {"\x78\x01", "\x0a\x03key"}) {
    EXPECT_FALSE(is_plain(*parse_put(bytes + more)));
    EXPECT_TRUE(apply::is_plain(bytes + more, *pb::PutRequest::descriptor()));
  }
  EXPECT_TRUE(apply::is_plain(bytes, *pb::PutRequest::descriptor()));
}

TEST(PlainRequests, APutLosesWhatSomeMemberCouldNotRead) {
  V3World world;
  const std::string plain = "\x0a\x01k\x12\x01v", odd = plain + "\x08\x01\x7b\x7c";
  world.v3->put(world.context(), *parse_put(odd), [](std::unique_ptr<apply::Result>) {});
  ASSERT_EQ(world.proposer.seen().size(), 1u);
  EXPECT_EQ(world.proposer.seen()[0].request, plain);
}

}  // namespace
}  // namespace holdfast::server
