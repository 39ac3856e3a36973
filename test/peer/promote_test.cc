// A promotion from the member that was asked to the one that leads: both ends of POST /members/promote/{id}.
#include "peer/promote_endpoint.h"

#include "base/errors.h"
#include "gtest/gtest.h"
#include "test/peer/peer_port.h"
#include "test/server/cluster_world.h"

namespace holdfast::peer {
namespace {

using Members = std::vector<membership::Member>;

class OneEndpoint : public net::HttpHandler {
 public:
  explicit OneEndpoint(PeerEndpoints::Handler handler) : handler_(std::move(handler)) {}
  void handle(net::HttpExchangeRef exchange) override { handler_(std::move(exchange)); }

 private:
  PeerEndpoints::Handler handler_;
};

struct PromoteTest : ::testing::Test, PeerPort {
  PromoteTest() { serve(endpoint); }
  ~PromoteTest() override { close(); }
  absl::StatusOr<Members> promote(uint64_t id) {
    return wait<Members>([&](auto done) { remote.promote(request(), MemberId(id), "token", std::move(done)); });
  }
  net::HttpResponse ask(const std::string& method, const std::string& target) {
    return *wait<net::HttpResponse>([&](auto done) {
      remote.ask(request(), {.method = method, .target = target, .fields = {}, .body = "", .timeout = {}},
                 std::move(done));
    });
  }

  const Identity self{MemberId(0xabc), ClusterId(0xdef), {}};
  server::V3World w;
  server::ClusterWorld cluster{w, pool.at(0), clock};
  OneEndpoint endpoint{promote_endpoint(self, cluster.membership, w.log)};
};

// PEERH-03, FWD-01
TEST_F(PromoteTest, TheLeadersListComesBack) {
  cluster.raft.matches[MemberId(0xfff)] = Index(100);
  const auto members = promote(0xfff);
  ASSERT_TRUE(members.ok()) << members.status();
  ASSERT_EQ(members->size(), 2u);
  for (const membership::Member& member : *members) EXPECT_FALSE(member.is_learner);
}

// PEERH-03
TEST_F(PromoteTest, RefusalsComeBackAsWhatTheyAre) {
  cluster.raft.matches[MemberId(0xfff)] = Index(1);
  EXPECT_TRUE(is(promote(0xfff).status(), EtcdError::learner_not_ready));
  EXPECT_TRUE(is(promote(0x99).status(), EtcdError::member_not_found));
  cluster.raft.matches[MemberId(0xabc)] = Index(100);
  EXPECT_TRUE(is(promote(0xabc).status(), EtcdError::member_not_learner));
}

// PEERH-03
TEST_F(PromoteTest, WhatIsNoPromotion) {
  const net::HttpResponse get = ask("GET", "/members/promote/1");
  EXPECT_EQ(get.status, 405);
  EXPECT_EQ(get.field("Allow"), "POST");
  EXPECT_EQ(get.field("X-Etcd-Cluster-ID"), std::nullopt);
  for (const char* target : {"/members/promote/", "/members/promote/x", "/members/promote/1x"}) {
    const net::HttpResponse answer = ask("POST", target);
    EXPECT_EQ(answer.status, 404) << target;
    EXPECT_EQ(answer.field("X-Etcd-Cluster-ID"), "def");
  }
}

}  // namespace
}  // namespace holdfast::peer
