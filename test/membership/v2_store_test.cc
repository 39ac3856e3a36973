#include "membership/v2_store.h"

#include "base/wire.h"
#include "fmt/format.h"
#include "gtest/gtest.h"

namespace holdfast::membership {
namespace {

// RAFT-20, TRP-46: what etcd 3.4 to 3.6 reads from a raft snapshot.
TEST(V2StoreTest, HoldsMembersRemovedMembersAndVersion) {
  Cluster cluster;
  RecordChanges records;
  cluster.add({.id = MemberId(0xab), .peer_urls = {"http://p"}, .name = "a", .client_urls = {"http://c"}},
              records);
  cluster.add({.id = MemberId(0xcd), .peer_urls = {"http://q"}, .is_learner = true}, records);
  cluster.remove(MemberId(0xef), records);
  cluster.set_version({3, 5, 0, {}}, records);
  const std::string json = to_v2_store_json(cluster);
  const auto leaf = [](std::string_view name, std::string_view path, int index, std::string_view value) {
    return std::string("\"") + std::string(name) + "\":{\"Path\":\"" + std::string(path) +
           "\",\"CreatedIndex\":" + std::to_string(index) + ",\"ModifiedIndex\":" + std::to_string(index) +
           ",\"ExpireTime\":\"0001-01-01T00:00:00Z\",\"Value\":\"" + std::string(value) +
           "\",\"Children\":null}";
  };
  const auto has = [&](const std::string& part) { return json.find(part) != std::string::npos; };
  EXPECT_TRUE(has(leaf("raftAttributes", "/0/members/ab/raftAttributes", 1,
                       "{\\\"peerURLs\\\":[\\\"http://p\\\"]}")))
      << json;
  EXPECT_TRUE(has(leaf("attributes", "/0/members/ab/attributes", 2,
                       "{\\\"name\\\":\\\"a\\\",\\\"clientURLs\\\":[\\\"http://c\\\"]}")))
      << json;
  EXPECT_TRUE(has(leaf("raftAttributes", "/0/members/cd/raftAttributes", 3,
                       "{\\\"peerURLs\\\":[\\\"http://q\\\"],\\\"isLearner\\\":true}")))
      << json;
  EXPECT_FALSE(has("/0/members/cd/attributes"));
  EXPECT_TRUE(has(leaf("ef", "/0/removed_members/ef", 4, ""))) << json;
  EXPECT_TRUE(has(leaf("version", "/0/version", 5, "3.5.0"))) << json;
  EXPECT_TRUE(json.starts_with("{\"Root\":{\"Path\":\"/\",\"CreatedIndex\":0,"));
  EXPECT_TRUE(has("\"1\":{\"Path\":\"/1\",\"CreatedIndex\":0,\"ModifiedIndex\":0,"
                  "\"ExpireTime\":\"0001-01-01T00:00:00Z\",\"Value\":\"\",\"Children\":{}}"));
  EXPECT_TRUE(json.ends_with("\"watchers\":0},\"CurrentVersion\":2}"));
}

// RAFT-20
TEST(V2StoreTest, IsReadAsItWasWritten) {
  Cluster cluster = *Cluster::from_records(ClusterId(7), {});
  RecordChanges records;
  cluster.add({.id = MemberId(0xab), .peer_urls = {"http://p", "http://p2"}, .name = "a", .client_urls = {"http://c"}},
              records);
  cluster.add({.id = MemberId(0xcd), .peer_urls = {"http://q"}, .is_learner = true}, records);
  cluster.remove(MemberId(0xef), records);
  cluster.set_version({3, 5, 0, {}}, records);
  const auto read = from_v2_store_json(to_v2_store_json(cluster), ClusterId(7));
  ASSERT_TRUE(read);
  EXPECT_EQ(*read, cluster);
  EXPECT_EQ(*from_v2_store_json("{\"Root\":{}}", ClusterId(7)), *Cluster::from_records(ClusterId(7), {}));
  for (const char* bad :
       {"", "{", "[]", R"({"Root":{"Children":{"0":{"Children":{"members":{"Children":{"zz":{}}}}}}}})",
        R"({"Root":{"Children":{"0":{"Children":{"members":{"Children":{"a":{}}}}}}}})",
        R"({"Root":{"Children":{"0":{"Children":{"version":{"Value":7}}}}}})"})
    EXPECT_FALSE(from_v2_store_json(bad, ClusterId(7))) << bad;
}

// MEM-10
TEST(V2RequestTest, IsReadBareAndWrapped) {
  const std::string bare = to_v2_put(7, "/0/version", "3.4.0");
  auto request = parse_v2_request(bare);
  ASSERT_TRUE(request);
  EXPECT_EQ(request->id, 7u);
  EXPECT_EQ(request->method, "PUT");
  EXPECT_EQ(request->path, kV2VersionPath);
  EXPECT_EQ(request->value, "3.4.0");

  std::string wrapped;
  wire::Writer writer(wrapped);
  writer.put_uint64(1, 9);
  writer.put_bytes(2, to_v2_put(0, "/x", "y"));
  request = parse_v2_request(wrapped);
  ASSERT_TRUE(request);
  EXPECT_EQ(request->id, 9u);
  EXPECT_EQ(request->path, "/x");
}

TEST(V2RequestTest, OtherPayloadsAreNone) {
  std::string put;
  wire::Writer writer(put);
  writer.put_bytes(4, "a put");
  EXPECT_FALSE(parse_v2_request(put));
  EXPECT_FALSE(parse_v2_request("\x12\x03PU"));
  EXPECT_FALSE(parse_v2_request(""));
}

TEST(V2PathTest, NamesOneMembersAttributes) {
  EXPECT_EQ(v2_attributes_path(MemberId(0x1f)), "/0/members/1f/attributes");
  EXPECT_EQ(parse_v2_attributes_path("/0/members/1f/attributes"), MemberId(0x1f));
  EXPECT_FALSE(parse_v2_attributes_path("/0/members/1f/raftAttributes"));
  EXPECT_FALSE(parse_v2_attributes_path("/0/members/zz/attributes"));
  EXPECT_FALSE(parse_v2_attributes_path("/0/members/0/attributes"));
  EXPECT_FALSE(parse_v2_attributes_path("/1/members/1f/attributes"));
}

TEST(MembersJsonTest, IsTheListOfThePeerPort) {  // PEERH-02
  const std::vector<Member> members = {{.id = MemberId(1), .peer_urls = {"http://a"}, .name = "n"},
                                       {.id = MemberId(2), .peer_urls = {"http://b"}, .is_learner = true}};
  const std::string json = to_json(members);
  EXPECT_EQ(json,
            "[{\"id\":1,\"peerURLs\":[\"http://a\"],\"name\":\"n\"},"
            "{\"id\":2,\"peerURLs\":[\"http://b\"],\"isLearner\":true}]\n");
  EXPECT_EQ(parse_members(json), members);
  EXPECT_EQ(parse_members("null\n"), std::vector<Member>());
  EXPECT_FALSE(parse_members("{}"));
  EXPECT_FALSE(parse_members("[1]"));
}

TEST(AttributesJsonTest, GoesBothWays) {
  const Attributes attributes{"n\"", {"http://c", "http://d"}};
  EXPECT_EQ(to_json(attributes), "{\"name\":\"n\\\"\",\"clientURLs\":[\"http://c\",\"http://d\"]}");
  EXPECT_EQ(parse_attributes(to_json(attributes)), attributes);
  EXPECT_EQ(to_json(Attributes{}), "{}");
}

TEST(V2Store, UserData) {
  const auto with = [](std::string_view children) {
    return fmt::format(R"({{"Root":{{"Path":"/","Value":"","Children":{}}},"CurrentIndex":3}})", children);
  };
  EXPECT_FALSE(holds_v2_user_data(with(
      R"({"0":{"Path":"/0","Children":{"version":{"Value":"3.4.0","Children":null}}},"1":{"Path":"/1","Children":{}}})")));
  EXPECT_TRUE(holds_v2_user_data(with(R"({"1":{"Path":"/1","Children":{"key":{"Value":"v","Children":null}}}})")));
  EXPECT_FALSE(holds_v2_user_data(
      with(R"({"2":{"Children":{"enabled":{"Value":"false","Children":null},"users":{"Children":{}}}}})")));
  EXPECT_TRUE(holds_v2_user_data(with(R"({"2":{"Children":{"users":{"Children":{"root":{}}}}}})")));
  EXPECT_FALSE(holds_v2_user_data(""));
  EXPECT_FALSE(holds_v2_user_data("{\"Root\":["));
}

}  // namespace
}  // namespace holdfast::membership
