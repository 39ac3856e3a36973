#include "server/request_id.h"

#include "gtest/gtest.h"
#include "raft_internal.pb.h"
#include "server/request_door.h"

namespace holdfast::server {
namespace {

// PUT-04
TEST(RequestIdTest, HoldsMemberTimeAndCounter) {
  RequestIdGenerator ids(MemberId(0x123456789abcdef0), 1'700'000'000'123'456'789);
  const uint64_t first = ids.next();
  EXPECT_EQ(first >> 48, 0xdef0u) << "low 16 bits of the member id on top";
  const uint64_t milliseconds = 1'700'000'000'123;
  EXPECT_EQ((first >> 8) & ((uint64_t{1} << 40) - 1), milliseconds & ((uint64_t{1} << 40) - 1));
  EXPECT_EQ(first & 0xff, 1u);
  EXPECT_EQ(ids.next(), first + 1);
  uint64_t last = first + 1;
  for (int i = 0; i < 1000; ++i) last = ids.next();
  EXPECT_EQ(last, first + 1001) << "the counter grows into the time bits";
}

// PUT-05
TEST(InternalRaftRequestTest, IsWhatProtobufWrites) {  // WAL-16
  etcdserverpb::PutRequest put;
  put.set_key("k");
  put.set_value(std::string(300, 'v'));
  etcdserverpb::InternalRaftRequest whole;
  *whole.mutable_put() = put;
  whole.mutable_header()->set_id(0xdef0'0000'0000'0001);
  whole.mutable_header()->set_username("alice");
  whole.mutable_header()->set_auth_revision(5);
  EXPECT_EQ(internal_raft_request(0xdef0'0000'0000'0001, {"alice", 5}, Command::put,
                                  put.SerializeAsString())
                .view(),
            whole.SerializeAsString());

  membershippb::ClusterVersionSetRequest version;
  version.set_ver("3.7.0");
  etcdserverpb::InternalRaftRequest above;
  *above.mutable_cluster_version_set() = version;
  above.mutable_header()->set_id(9);
  EXPECT_EQ(internal_raft_request(9, {}, Command::cluster_version_set, version.SerializeAsString())
                .view(),
            above.SerializeAsString())
      << "a command above 100 stands behind the header";
}

}  // namespace
}  // namespace holdfast::server
