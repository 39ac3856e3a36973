// The bodies of /leases and /leases/internal, byte for byte as protobuf has them. PEERH-04 PEERH-05
#include "peer/lease_messages.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace holdfast::peer {
namespace {

using testing::ElementsAre;

TEST(LeaseMessages, Renewal) {
  EXPECT_EQ(encode_renew_request(LeaseId(7)), "\x08\x07");
  EXPECT_EQ(encode_renew_request(LeaseId(-1)), "\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01");
  EXPECT_EQ(decode_renew_request("\x08\x07"), LeaseId(7));
  EXPECT_EQ(decode_renew_request(""), LeaseId(0));
  EXPECT_EQ(decode_renew_request("\x08"), std::nullopt);
  // etcd's answer has no header, but may have one.
  EXPECT_EQ(encode_renew_answer(LeaseId(7), 30), "\x10\x07\x18\x1e");
  const auto answer = decode_renew_answer("\x0a\x02\x08\x01\x10\x07\x18\x1e");
  ASSERT_TRUE(answer);
  EXPECT_EQ(answer->id, LeaseId(7));
  EXPECT_EQ(answer->ttl, 30);
  EXPECT_FALSE(decode_renew_answer("\x10"));
}

TEST(LeaseMessages, Lookup) {
  EXPECT_EQ(encode_lookup_request({LeaseId(7), server::LeaseKeys::included}), "\x0a\x04\x08\x07\x10\x01");
  EXPECT_EQ(encode_lookup_request({LeaseId(7)}), "\x0a\x02\x08\x07");
  const auto request = decode_lookup_request("\x0a\x04\x08\x07\x10\x01");
  ASSERT_TRUE(request);
  EXPECT_EQ(request->id, LeaseId(7));
  EXPECT_EQ(request->keys, server::LeaseKeys::included);
  EXPECT_FALSE(decode_lookup_request(""));
  EXPECT_FALSE(decode_lookup_request("\x0a\x04\x08"));

  const std::string bytes = encode_lookup_answer(LeaseId(7), {20, 30, {"a", "bc"}});
  EXPECT_EQ(bytes, std::string("\x0a\x0f\x0a\x00\x10\x07\x18\x14\x20\x1e\x2a\x01"
                               "a\x2a\x02"
                               "bc",
                               17));
  const auto answer = decode_lookup_answer(bytes);
  ASSERT_TRUE(answer);
  EXPECT_EQ(answer->id, LeaseId(7));
  EXPECT_EQ(answer->info.ttl, 20);
  EXPECT_EQ(answer->info.granted_ttl, 30);
  EXPECT_THAT(answer->info.keys, ElementsAre("a", "bc"));
  EXPECT_FALSE(decode_lookup_answer(""));
}

}  // namespace
}  // namespace holdfast::peer
