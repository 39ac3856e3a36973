#include "peer/remote_calls.h"

#include <atomic>
#include <map>

#include "base/errors.h"
#include "gtest/gtest.h"
#include "test/peer/peer_port.h"

namespace holdfast::peer {
namespace {

// Answers what the test says.
class Scripted : public net::HttpHandler {
 public:
  struct Answer {
    int status = 200;
    net::HttpFields fields;
    std::string body;
  };
  void handle(net::HttpExchangeRef exchange) override {
    ++requests;
    const auto it = answers.find(std::string(exchange->request().path()));
    if (it == answers.end()) return exchange->respond(404, {}, "");
    exchange->respond(it->second.status, it->second.fields, it->second.body);
  }
  std::map<std::string, Answer> answers;
  std::atomic<int> requests{0};
};

struct RemoteCallsTest : ::testing::Test, PeerPort {
  RemoteCallsTest() { serve(server); }
  ~RemoteCallsTest() override { close(); }
  absl::StatusOr<RemoteCalls::Membership> members() {
    return wait<RemoteCalls::Membership>([&](auto done) { remote.get_members(request(), std::move(done)); });
  }
  absl::StatusOr<RemoteCalls::Versions> versions() {
    return wait<RemoteCalls::Versions>([&](auto done) { remote.get_versions(request(), std::move(done)); });
  }
  absl::StatusOr<bool> downgrading() {
    return wait<bool>([&](auto done) { remote.is_downgrading(request(), std::move(done)); });
  }
  std::string promotion() {
    const auto answer = wait<std::vector<membership::Member>>(
        [&](auto done) { remote.promote(request(), MemberId(7), "", std::move(done)); });
    return answer.ok() ? "promoted" : std::string(message(answer.status()));
  }

  Scripted server;
};

// PEERH-02, MEM-02
TEST_F(RemoteCallsTest, MembersWithTheClustersId) {
  auto& answer = server.answers["/members"];
  answer.fields = {{"X-Etcd-Cluster-ID", "c0ffee"}};
  answer.body = R"([{"id":17,"peerURLs":["http://a:1"],"name":"a","clientURLs":["http://a:2"]}])" "\n";
  const auto found = members();
  ASSERT_TRUE(found.ok()) << found.status();
  EXPECT_EQ(found->cluster, ClusterId(0xc0ffee));
  ASSERT_EQ(found->members.size(), 1u);
  EXPECT_EQ(found->members[0].id, MemberId(17));
  answer.body = "no JSON";
  EXPECT_EQ(message(members().status()), "failed to unmarshal cluster response");
  answer.body = "[]";
  answer.fields = {};
  EXPECT_EQ(message(members().status()), "failed to parse cluster ID");
  answer.status = 503;
  EXPECT_TRUE(absl::IsUnavailable(members().status()));
}

// RAFT-29
TEST_F(RemoteCallsTest, RedirectsAreNotFollowed) {
  server.answers["/members"] = {307, {{"Location", "/elsewhere"}}, ""};
  server.answers["/elsewhere"] = {200, {{"X-Etcd-Cluster-ID", "1"}}, "[]"};
  EXPECT_TRUE(absl::IsUnavailable(members().status()));
  EXPECT_EQ(server.requests, 1);
}

// PEERH-07, PEERH-08
TEST_F(RemoteCallsTest, VersionsAndDowngrades) {
  server.answers["/version"].body = R"({"etcdserver":"3.7.1","etcdcluster":"not_decided","storage":"3.7.0"})";
  const auto found = versions();
  ASSERT_TRUE(found.ok());
  EXPECT_EQ(found->server, "3.7.1");
  EXPECT_EQ(found->cluster, "not_decided");
  EXPECT_FALSE(downgrading().ok()) << "members before 3.5 don't know it";
  auto& answer = server.answers["/downgrade/enabled"];
  answer.body = "true";
  EXPECT_TRUE(*downgrading());
  answer.body = "false\n";
  EXPECT_FALSE(*downgrading());
  answer.body = "perhaps";
  EXPECT_FALSE(downgrading().ok());
}

// PEERH-03, RAFT-29
TEST_F(RemoteCallsTest, WhatBecameOfAPromotion) {
  auto& answer = server.answers["/members/promote/7"];
  answer.body = "[]\n";
  EXPECT_EQ(promotion(), "promoted");
  answer = {408, {}, "etcdserver: request timed out\n"};
  EXPECT_EQ(promotion(), text(EtcdError::timeout));
  answer = {404, {}, "membership: ID not found\n"};
  EXPECT_EQ(promotion(), text(EtcdError::member_not_found));
  answer = {412, {}, "etcdserver: can only promote a learner member which is in sync with leader\n"};
  EXPECT_EQ(promotion(), text(EtcdError::learner_not_ready));
  answer = {412, {}, "membership: can only promote a learner member\n"};
  EXPECT_EQ(promotion(), text(EtcdError::member_not_learner));
  answer = {500, {}, "boom"};
  EXPECT_EQ(promotion(), "member promote: unknown error(boom)");
}

TEST_F(RemoteCallsTest, NobodyThere) {
  listener.reset();
  const auto answer = wait<bool>([&](auto done) {
    remote.is_downgrading(request("http://127.0.0.1:1"), std::move(done));
  });
  EXPECT_TRUE(absl::IsUnavailable(answer.status()));
  const auto strange = wait<bool>([&](auto done) {
    remote.is_downgrading(request("ftp://127.0.0.1:1"), std::move(done));
  });
  EXPECT_TRUE(absl::IsUnavailable(strange.status()));
}

}  // namespace
}  // namespace holdfast::peer
