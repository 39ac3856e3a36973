// Expected strings and numbers are what Go 1.26's encoding/json and crypto/sha1 give.
#include "membership/member.h"

#include "gtest/gtest.h"
#include "membership/cluster.h"
#include "membership/initial_cluster.h"

namespace holdfast::membership {
namespace {

TEST(MemberJson, IsGos) {  // MEM-04, MEM-09, TRP-42
  EXPECT_EQ(to_json(Member{.id = MemberId(UINT64_MAX),
                           .peer_urls = {"http://10.0.0.1:2380", "http://a:1"},
                           .is_learner = true,
                           .name = "m0",
                           .client_urls = {"http://10.0.0.1:2379"}}),
            R"({"id":18446744073709551615,"peerURLs":["http://10.0.0.1:2380","http://a:1"],)"
            R"("isLearner":true,"name":"m0","clientURLs":["http://10.0.0.1:2379"]})");
  EXPECT_EQ(to_json(Member{.id = MemberId(1)}), R"({"id":1,"peerURLs":null})");
  EXPECT_EQ(to_json(ConfChangeContext{{.id = MemberId(5)}, true}),
            R"({"id":5,"peerURLs":null,"isPromote":true})");
  EXPECT_EQ(to_json(ConfChangeContext{{.id = MemberId(5), .peer_urls = {"http://x:1"}}, false}),
            R"({"id":5,"peerURLs":["http://x:1"],"isPromote":false})");
}

TEST(MemberJson, EscapesAsGoDoes) {
  const std::string name =
      "a\"\\<>&\b\f\n\r\t\x01\x1f\x7f\u2028\u2029\u00e9\xff\xe2\x28\U0001F600";
  EXPECT_EQ(to_json(Member{.id = MemberId(2), .name = name}),
            "{\"id\":2,\"peerURLs\":null,\"name\":\"a\\\"\\\\\\u003c\\u003e\\u0026\\b\\f\\n\\r\\t"
            "\\u0001\\u001f\x7f\\u2028\\u2029\u00e9\\ufffd\\ufffd(\U0001F600\"}");
}

TEST(MemberJson, ReadsWhatGoReads) {
  const auto read = [](std::string_view json) { return parse_conf_change_context(json); };
  EXPECT_EQ(read(R"({"ID":7,"PEERURLS":["a"],"other":{"x":[1,{"y":null}]},"isPromote":true})"),
            (ConfChangeContext{{.id = MemberId(7), .peer_urls = {"a"}}, true}));
  EXPECT_EQ(read(R"( { "id" : null , "peerURLs" : null } )"), ConfChangeContext{});
  EXPECT_EQ(read("null"), ConfChangeContext{});
  EXPECT_EQ(read(R"({"peerURLs":[null,"b"]})")->member.peer_urls,
            (std::vector<std::string>{"", "b"}));
  EXPECT_EQ(read(R"({"peerURLs":["a"],"peerURLs":["b","c"]})")->member.peer_urls,
            (std::vector<std::string>{"b", "c"}));
  EXPECT_EQ(read(R"({"name":"\ud83d\ude00\ud83d\u0041\u00e9"})")->member.name,
            "\U0001F600\uFFFDA\u00e9");
  EXPECT_EQ(read("{\"name\":\"\xff\"}")->member.name, "\uFFFD");
}

TEST(MemberJson, RefusesWhatGoRefuses) {
  for (std::string_view json :
       {R"({"id":1.0})", R"({"id":-1})", R"({"id":1e2})", R"({"id":18446744073709551616})",
        R"({"id":"1"})", R"({"id":1} x)", R"({"id":1,})", "", "[]", "{\"name\":\"\n\"}",
        R"({"id":01})", R"({"id")", R"({"name":"\x"})", R"({"name":"\u12)", R"({"isLearner":1})",
        R"({"peerURLs":"a"})", "{", R"({"a":[}})"})
    EXPECT_FALSE(parse_conf_change_context(json).has_value()) << json;
}

TEST(MemberJson, DeepNestingIsRefused) {
  EXPECT_FALSE(parse_member("{\"x\":" + std::string(100'000, '[')).has_value());
}

TEST(MemberJson, ComesBackAsItWas) {
  const Member member{.id = MemberId(0x8e9e05c52164694d),
                      .peer_urls = {"http://127.0.0.1:2380"},
                      .is_learner = true,
                      .name = "n<\u2028>",
                      .client_urls = {"a", "b"}};
  EXPECT_EQ(parse_member(to_json(member)), member);
}

TEST(OtherJson, IsGos) {  // VER-07, BKT-10
  EXPECT_EQ(to_json(DowngradeInfo{true, "3.6.0"}), R"({"target-version":"3.6.0","enabled":true})");
  EXPECT_EQ(to_json(DowngradeInfo{}), R"({"target-version":"","enabled":false})");
  EXPECT_EQ(parse_downgrade(to_json(DowngradeInfo{true, "3.6.0"})), (DowngradeInfo{true, "3.6.0"}));
  raft::ConfState state;
  EXPECT_EQ(to_json(state), R"({"auto_leave":false})");
  state.voters = {MemberId(1), MemberId(2)};
  state.learners = {MemberId(3)};
  EXPECT_EQ(to_json(state), R"({"voters":[1,2],"learners":[3],"auto_leave":false})");
}

TEST(Ids, AreHashes) {  // MEM-01, MEM-02, TRP-41
  EXPECT_EQ(member_id({"http://127.0.0.1:2380"}, "etcd-cluster").value, 13195394291058371180u);
  EXPECT_EQ(member_id({"http://127.0.0.1:2381", "http://127.0.0.1:2380"}, "", 1700000000).value,
            15294355876090249134u);
  EXPECT_EQ(cluster_id({MemberId(2), MemberId(1)}).value, 9699411840914806455u);
}

TEST(InitialCluster, IsParsed) {
  const auto cluster =
      parse_initial_cluster("b=http://h2:1,a=http://h1:2, ,a=http://h1:1,,c=unix://sock");
  // A lone space is a name without a URL.
  EXPECT_FALSE(cluster.ok());
  const auto good = parse_initial_cluster("b=http://h2:1,a=http://h1:2,,a= HTTP://h1:1,c=unix://s:1");
  ASSERT_TRUE(good.ok()) << good.status();
  EXPECT_EQ(*good, (InitialCluster{{"a", {"http://h1:1", "http://h1:2"}},
                                   {"b", {"http://h2:1"}},
                                   {"c", {"unix://s:1"}}}));
  EXPECT_EQ(to_string(*good), "a=http://h1:1,a=http://h1:2,b=http://h2:1,c=unix://s:1");
  EXPECT_TRUE(parse_initial_cluster("")->empty());
}

TEST(InitialCluster, RefusesOtherUrls) {
  for (std::string_view text : {"a", "a=", "a=h:1", "a=ftp://h:1", "a=http://h", "a=http://h:1/x",
                                "a=http://::1:2380", "a=http://h:port"})
    EXPECT_FALSE(parse_initial_cluster(text).ok()) << text;
  EXPECT_TRUE(parse_initial_cluster("a=https://[::1]:2380").ok());
}

TEST(InitialCluster, AllFoundersMakeTheSameEntries) {  // RAL-15, TRP-40, MEM-03
  const auto cluster = parse_initial_cluster("x=http://h1:1,y=http://h2:1,z=http://h3:1");
  const auto members = founding_members(*cluster, "token");
  ASSERT_TRUE(members.ok());
  const auto peers = bootstrap_peers({members->rbegin(), members->rend()});
  ASSERT_EQ(peers.size(), 3u);
  for (size_t i = 0; i < 3; ++i) {
    if (i > 0) {
      EXPECT_LT(peers[i - 1].id, peers[i].id);
    }
    EXPECT_EQ(peers[i].id, (*members)[i].id);
    EXPECT_EQ(peers[i].context.view(), to_json((*members)[i]));
  }
  EXPECT_FALSE(founding_members({{"a", {"http://h:1"}}, {"b", {"http://h:1"}}}, "t").ok());
}

}  // namespace
}  // namespace holdfast::membership
