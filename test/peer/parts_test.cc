#include <gtest/gtest.h>

#include "peer/address.h"
#include "peer/hash_messages.h"
#include "peer/headers.h"
#include "peer/peer_endpoints.h"
#include "peer/prober.h"
#include "peer/remote_calls.h"

namespace holdfast::peer {
namespace {

TEST(Address, OfUrls) {
  const auto plain = parse_address("http://10.0.0.1:2380");
  ASSERT_TRUE(plain);
  EXPECT_EQ(plain->name, "10.0.0.1");
  EXPECT_EQ(plain->port, 2380);
  EXPECT_FALSE(plain->tls);
  const auto six = parse_address("https://[::1]:2380/");
  ASSERT_TRUE(six);
  EXPECT_EQ(six->name, "::1");
  EXPECT_EQ(six->host, "[::1]:2380");
  EXPECT_TRUE(six->tls);
  // TLS-09
  const auto local = parse_address("unix://localhost:m1");
  ASSERT_TRUE(local);
  EXPECT_EQ(local->unix_path, "localhost:m1");
  EXPECT_EQ(local->host, "localhost:m1");
  EXPECT_FALSE(local->tls);
  const auto path = parse_address("unixs:///run/etcd/m1.sock");
  ASSERT_TRUE(path);
  EXPECT_EQ(path->unix_path, "/run/etcd/m1.sock");
  EXPECT_EQ(path->host, "localhost");
  EXPECT_EQ(path->name, "m1.sock");
  EXPECT_TRUE(path->tls);
  for (const char* bad : {"", "http://", "http://host", "unix://", "ftp://a:1", "http://:1", "http://h:70000", "http://h:1x"})
    EXPECT_FALSE(parse_address(bad)) << bad;
}

// RAFT-13
TEST(UrlPicker, GoesOnToTheNextAfterAFailure) {
  UrlPicker picker({"http://a:1", "http://b:2"});
  const Address a = *picker.pick();
  picker.unreachable(a);
  const Address b = *picker.pick();
  EXPECT_EQ(b.name, "b");
  picker.unreachable(a);  // old news
  EXPECT_EQ(picker.pick()->name, "b");
  picker.unreachable(b);
  EXPECT_EQ(picker.pick()->name, "a");
  picker.update({});
  EXPECT_FALSE(picker.pick());
}

net::HttpRequest request(const net::HttpFields& fields) {
  net::HttpRequest r;
  r.fields = fields;
  return r;
}

const Identity kSelf{MemberId(0xabc), ClusterId(0x1f), {"http://h:1", "http://i:2"}};

// RAFT-02, RAFT-03
TEST(Headers, IntroduceTheMember) {
  const net::HttpRequest r = request(introduction(kSelf));
  EXPECT_EQ(r.field("x-server-from"), "abc");
  EXPECT_EQ(r.field("X-Server-Version"), "3.7.1");
  EXPECT_EQ(r.field("X-Min-Cluster-Version"), "3.0.0");
  EXPECT_EQ(r.field("X-Etcd-Cluster-ID"), "1f");
  EXPECT_EQ(r.field("X-PeerURLs"), "http://h:1,http://i:2");
  const auto back = introduced(r);
  ASSERT_TRUE(back);
  EXPECT_EQ(back->from, kSelf.member);
  EXPECT_EQ(back->peer_urls, kSelf.peer_urls);
}

// RAFT-04
TEST(Headers, SayWhoIsRefused) {
  NullLogger log;
  const auto with = [](std::string version, std::string min, std::string cluster) {
    return request({{"X-Server-Version", std::move(version)}, {"X-Min-Cluster-Version", std::move(min)},
                    {"X-Etcd-Cluster-ID", std::move(cluster)}});
  };
  EXPECT_FALSE(refusal(with("3.7.1", "3.0.0", "1f"), kSelf, log));
  EXPECT_FALSE(refusal(with("3.4.23", "3.0.0", "1f"), kSelf, log));
  EXPECT_FALSE(refusal(with("3.8.0", "3.7.5", "1f"), kSelf, log));  // patches don't count
  EXPECT_EQ(refusal(with("2.3.7", "2.1.0", "1f"), kSelf, log), kIncompatibleVersion);
  EXPECT_EQ(refusal(with("4.0.0", "3.8.0", "1f"), kSelf, log), kIncompatibleVersion);
  EXPECT_EQ(refusal(with("nonsense", "3.0.0", "1f"), kSelf, log), kIncompatibleVersion);
  EXPECT_EQ(refusal(with("3.7.1", "3.0.0", "01f"), kSelf, log), kClusterIdMismatch);
  EXPECT_EQ(refusal(request({{"X-Etcd-Cluster-ID", "1f"}}), kSelf, log), kIncompatibleVersion);
}

// RAFT-22
TEST(Health, IsWrittenAndReadAsGoDoes) {
  const int64_t when = 1'795'637'282'618'023'260;
  EXPECT_EQ(health_json(when), R"({"OK":true,"Now":"2026-11-25T20:08:02.61802326Z"})");
  EXPECT_EQ(health_json(1'795'637'282'000'000'000), R"({"OK":true,"Now":"2026-11-25T20:08:02Z"})");
  EXPECT_EQ(parse_health(health_json(when)), when);
  EXPECT_EQ(parse_health(R"({"OK":true,"Now":"2026-11-25T21:08:02.61802326+01:00"})"), when);
  EXPECT_FALSE(parse_health(R"({"OK":false,"Now":"2026-11-25T20:08:02Z"})"));
  EXPECT_FALSE(parse_health(R"({"OK":true,"Now":"yesterday"})"));
  EXPECT_FALSE(parse_health(""));
}

TEST(Versions, AreRead) {
  const auto versions = parse_versions(R"({"etcdserver":"3.4.23","etcdcluster":"3.4.0"})");
  ASSERT_TRUE(versions);
  EXPECT_EQ(versions->server, "3.4.23");
  EXPECT_EQ(versions->cluster, "3.4.0");
  EXPECT_EQ(parse_versions(R"( {"etcdserver" : "3.4.23", "storage":null} )")->server, "3.4.23");
  EXPECT_FALSE(parse_versions(R"({"etcdserver":)"));
  EXPECT_FALSE(parse_versions(R"({"etcdserver":7})"));
}

// PEERH-06
TEST(HashMessages, RequestsAreReadAndWritten) {
  EXPECT_EQ(hash_request_json(Revision(12)), R"({"revision":12})");
  EXPECT_EQ(hash_request_json(Revision(0)), "{}");
  EXPECT_EQ(parse_hash_request(R"({"revision":12})"), Revision(12));
  EXPECT_EQ(parse_hash_request(" { } "), Revision(0));
  EXPECT_FALSE(parse_hash_request(R"({"revision":"x"})"));
  EXPECT_FALSE(parse_hash_request(R"({"revision":1.5})"));
  EXPECT_FALSE(parse_hash_request(R"({"revision":9223372036854775808})"));
  EXPECT_FALSE(parse_hash_request(""));
}

// PEERH-06, TRP-63
TEST(HashMessages, AnswersAreReadAndWritten) {
  const mvcc::HashResult hash{0xfedcba98, Revision(-1), Revision(7), Revision(9)};
  const std::string json = hash_answer_json(hash);
  EXPECT_EQ(json, R"({"header":{"revision":9},"hash":4275878552,"compact_revision":-1,"hash_revision":7})");
  EXPECT_EQ(parse_hash_answer(json), hash);
  // As 3.4 answers.
  const auto old = parse_hash_answer(R"({"header":{"cluster_id":1,"revision":9},"hash":5,"compact_revision":3})");
  EXPECT_EQ(old, (mvcc::HashResult{5, Revision(3), Revision(0), Revision(9)}));
  EXPECT_FALSE(parse_hash_answer(R"({"hash":4294967296})"));
  EXPECT_FALSE(parse_hash_answer(R"({"hash":-1})"));
  EXPECT_FALSE(parse_hash_answer(R"({"hash":1)"));
}

}  // namespace
}  // namespace holdfast::peer
