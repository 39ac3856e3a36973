// A promotion from the member that was asked to the one that leads: both ends of POST /members/promote/{id}.
#include <future>
#include <optional>

#include "base/errors.h"
#include "gtest/gtest.h"
#include "net/listener.h"
#include "os/system_clock.h"
#include "peer/promote_endpoint.h"
#include "peer/remote_calls.h"
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

struct PromoteTest : ::testing::Test {
  PromoteTest()
      : pool(clock, 1, "peer"),
        cluster(w, pool.at(0), clock),
        endpoint(promote_endpoint(self, cluster.membership, w.log)),
        remote(pool.at(0), settings) {
    listener.emplace(pool, net::ListenerOptions{}, w.log, nullptr, &endpoint);
    pool.start();
    EXPECT_TRUE(listener->start().ok());
  }
  ~PromoteTest() override {
    listener.reset();
    pool.stop();
  }
  RemoteCalls::Request request() {
    return {"http://127.0.0.1:" + std::to_string(listener->port()), std::chrono::seconds(10), &pool.at(0)};
  }
  absl::StatusOr<Members> promote(uint64_t id) {
    std::promise<absl::StatusOr<Members>> promise;
    remote.promote(request(), MemberId(id), "token",
                   [&](absl::StatusOr<Members> members) { promise.set_value(std::move(members)); });
    return promise.get_future().get();
  }
  net::HttpResponse ask(const std::string& method, const std::string& target) {
    std::promise<net::HttpResponse> promise;
    remote.ask(request(), {.method = method, .target = target, .fields = {}, .body = "", .timeout = {}},
               [&](absl::StatusOr<net::HttpResponse> answer) { promise.set_value(*std::move(answer)); });
    return promise.get_future().get();
  }

  server::V3World w;
  os::SystemClock clock;
  net::IoPool pool;
  const Identity self{MemberId(0xabc), ClusterId(0xdef), {}};
  const TransportSettings settings;
  server::ClusterWorld cluster;
  OneEndpoint endpoint;
  RemoteCalls remote;
  std::optional<net::Listener> listener;
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
  for (const char* target : {"/members/promote/", "/members/promote/x", "/members/promote/1x"}) {
    const net::HttpResponse answer = ask("POST", target);
    EXPECT_EQ(answer.status, 404) << target;
    EXPECT_EQ(answer.field("X-Etcd-Cluster-ID"), "def");
  }
}

}  // namespace
}  // namespace holdfast::peer
