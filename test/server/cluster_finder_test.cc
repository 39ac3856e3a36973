#include "server/cluster_finder.h"

#include <optional>

#include "base/errors.h"
#include "gtest/gtest.h"
#include "membership/initial_cluster.h"
#include "test/manual_executor.h"
#include "test/server/fake_names.h"
#include "test/server/fake_remote.h"

namespace holdfast::server {
namespace {

using membership::Member;
using std::chrono::seconds;

class FakeDiscovery : public Discovery {
 public:
  void join(MemberId self, const std::string& own_urls, env::Executor& executor,
            UniqueFunction<void(absl::StatusOr<std::string>)> done) override {
    joined.emplace_back(self, own_urls);
    executor.post([this, done = std::move(done)]() mutable { done(answer); });
  }
  absl::StatusOr<std::string> answer = "";
  std::vector<std::pair<MemberId, std::string>> joined;
};

struct ClusterFinderTest : ::testing::Test {
  ClusterFinderTest() {
    config.name = "one";
    config.initial_cluster = {{"one", {"http://10.0.0.1:2380"}},
                              {"two", {"http://10.0.0.2:2380"}},
                              {"three", {"http://10.0.0.3:2380", "http://10.0.0.4:2380"}}};
    config.advertise_peer_urls = {"http://10.0.0.1:2380"};
  }
  void find() {
    origin.reset();
    finder.emplace(ClusterFinder::Parts{executor, &remote, names, discovery, log}, config);
    finder->find([this](absl::StatusOr<ClusterOrigin> found) { origin = std::move(found); });
    executor.run();
  }
  // "founded", "joined", or why not.
  std::string outcome() {
    if (!origin) return "waits";
    if (!origin->ok()) return std::string(message(origin->status()));
    return (*origin)->kind == ClusterOrigin::Kind::founded ? "founded" : "joined";
  }
  void pass(env::Duration time) {
    for (env::Duration passed{}; passed < time; passed += seconds(1)) {
      clock.advance(seconds(1));
      executor.run();
    }
  }
  std::vector<Member> founders() {
    return *membership::founding_members(config.initial_cluster, config.initial_cluster_token);
  }
  const Member& named(const std::vector<Member>& members, std::string_view name) {
    return *std::find_if(members.begin(), members.end(), [&](const Member& m) { return m.name == name; });
  }
  // A running cluster of the same URLs, whose ids are its own; answered by two.
  RemoteCluster::Membership& run_cluster() {
    config.initial_cluster_state = ClusterState::existing;
    uint64_t id = 0xa0;
    RemoteCluster::Membership cluster{ClusterId(0xc), {}};
    for (const auto& [name, urls] : config.initial_cluster)
      cluster.members.push_back({.id = MemberId(++id), .peer_urls = urls, .name = name == "one" ? "" : name});
    remote.versions.emplace("http://10.0.0.2:2380", RemoteCluster::Versions{"3.7.1", "3.7.0"});
    auto& answer = remote.memberships.emplace("http://10.0.0.2:2380", std::move(cluster)).first->second;
    return *answer;
  }

  ManualClock clock;
  ManualExecutor executor{clock};
  NullLogger log;
  FakeNames names;
  FakeRemote remote;
  Discovery* discovery = nullptr;
  MemberConfig config;
  std::optional<ClusterFinder> finder;
  std::optional<absl::StatusOr<ClusterOrigin>> origin;
};

// MEM-01, MEM-02
TEST_F(ClusterFinderTest, FoundsWhenNobodyIsThere) {
  find();
  ASSERT_EQ(outcome(), "founded");
  EXPECT_EQ((*origin)->members, founders());
  EXPECT_EQ((*origin)->self, named(founders(), "one").id);
  EXPECT_TRUE((*origin)->remotes.empty());
  EXPECT_EQ(remote.asked, (std::vector<std::string>{"http://10.0.0.2:2380", "http://10.0.0.3:2380",
                                                    "http://10.0.0.4:2380"}));
}

// MEM-12
TEST_F(ClusterFinderTest, WhoHasServedBeforeDoesNotFoundAgain) {
  std::vector<Member> members = founders();
  remote.memberships.emplace("http://10.0.0.4:2380", RemoteCluster::Membership{ClusterId(1), members});
  find();
  EXPECT_EQ(outcome(), "founded") << "it is known there, but has never been started";
  for (Member& member : members) member.client_urls = {"http://client"};
  remote.memberships.begin()->second->members = members;
  find();
  EXPECT_EQ(outcome(), "member " + hex_id(named(members, "one").id.value) + " has already been bootstrapped");
}

// MEM-03
TEST_F(ClusterFinderTest, FlagsMustAgree) {
  config.initial_cluster["two"] = {"http://10.0.0.1:2380"};
  find();
  EXPECT_NE(outcome().find("has duplicate url"), std::string::npos) << outcome();
  config.initial_cluster.erase("two");
  config.advertise_peer_urls = {"http://10.0.0.9:2380"};
  find();
  EXPECT_EQ(outcome(),
            "--initial-cluster has one=http://10.0.0.1:2380 but missing from "
            "--initial-advertise-peer-urls=http://10.0.0.9:2380 (resolved urls: \"http://10.0.0.9:2380\" != "
            "\"http://10.0.0.1:2380\")");
  config.advertise_peer_urls = {"http://10.0.0.1:2380", "http://10.0.0.9:2380"};
  find();
  EXPECT_EQ(outcome(),
            "--initial-advertise-peer-urls has http://10.0.0.9:2380 but missing from "
            "--initial-cluster=one=http://10.0.0.1:2380,one=http://10.0.0.9:2380");
  config.name = "nobody";
  find();
  EXPECT_EQ(outcome(), "couldn't find local name \"nobody\" in the initial cluster configuration");
}

// MEM-12: names and addresses are the same if they resolve to the same.
TEST_F(ClusterFinderTest, NamesAreWaitedFor) {
  config.advertise_peer_urls = {"http://one.example:2380"};
  find();
  EXPECT_EQ(outcome(), "waits");
  pass(seconds(20));
  names.hosts["one.example"] = {"10.0.0.1"};
  pass(seconds(1));
  EXPECT_EQ(outcome(), "founded");

  names.hosts.clear();
  find();
  pass(seconds(40));
  EXPECT_NE(outcome().find("lookup one.example: no such host"), std::string::npos) << outcome();
}

// OPS-02
TEST_F(ClusterFinderTest, FoundsWithWhomDiscoveryFinds) {
  FakeDiscovery meeting;
  discovery = &meeting;
  config.initial_cluster = {{"one", {"http://10.0.0.1:2380"}}};
  const MemberId self = founders().front().id;
  meeting.answer = "one=http://10.0.0.1:2380,other=http://10.0.0.7:2380";
  find();
  ASSERT_EQ(outcome(), "founded");
  EXPECT_EQ(meeting.joined.front(), std::pair(self, std::string("one=http://10.0.0.1:2380")));
  EXPECT_EQ((*origin)->self, self);
  EXPECT_EQ((*origin)->members.size(), 2u);

  meeting.answer = "one=http://10.0.0.1:2380,other=http://10.0.0.1:2380";
  find();
  EXPECT_EQ(outcome(),
            "discovery cluster one=http://10.0.0.1:2380,other=http://10.0.0.1:2380 has duplicate url");
  meeting.answer = absl::FailedPreconditionError("discovery: cluster is full");
  find();
  EXPECT_EQ(outcome(), "failed to join discovery cluster (discovery: cluster is full)");
  config.initial_cluster_state = ClusterState::existing;
  find();
  EXPECT_EQ(outcome(), "discovery URL should not be set when joining existing initial cluster");
}

// MEM-11, OPS-06
TEST_F(ClusterFinderTest, JoinsUnderTheIdsOfTheCluster) {
  const RemoteCluster::Membership& cluster = run_cluster();
  find();
  ASSERT_EQ(outcome(), "joined");
  EXPECT_EQ((*origin)->cluster, ClusterId(0xc));
  EXPECT_EQ((*origin)->self, named((*origin)->members, "one").id);
  for (const Member& theirs : cluster.members) {
    const auto mine = std::find_if((*origin)->members.begin(), (*origin)->members.end(),
                                   [&](const Member& m) { return m.id == theirs.id; });
    ASSERT_NE(mine, (*origin)->members.end());
    EXPECT_EQ(mine->peer_urls, theirs.peer_urls);
  }
  EXPECT_EQ((*origin)->remotes, cluster.members);
}

// MEM-11
TEST_F(ClusterFinderTest, MatchesByResolvedUrls) {
  RemoteCluster::Membership& cluster = run_cluster();
  for (Member& member : cluster.members)
    if (member.peer_urls.front() == "http://10.0.0.2:2380") member.peer_urls = {"http://two.example:2380"};
  find();
  EXPECT_EQ(outcome(), "waits");
  names.hosts["two.example"] = {"10.0.0.2"};
  pass(seconds(1));
  EXPECT_EQ(outcome(), "joined");
}

// MEM-11
TEST_F(ClusterFinderTest, DoesNotJoinWhatItDoesNotFit) {
  RemoteCluster::Membership& cluster = run_cluster();
  const auto whole = cluster;
  cluster.members.pop_back();
  find();
  EXPECT_EQ(outcome(),
            "error validating peerURLs {ClusterID:c Members:[&{ID:a1 RaftAttributes:{PeerURLs:[http://10.0.0.1:2380] "
            "IsLearner:false} Attributes:{Name: ClientURLs:[]}} &{ID:a2 RaftAttributes:{PeerURLs:[http://10.0.0.3:2380 "
            "http://10.0.0.4:2380] IsLearner:false} Attributes:{Name:three ClientURLs:[]}}] RemovedMemberIDs:[]}: "
            "member count is unequal");
  cluster = whole;
  cluster.members.front().peer_urls = {"http://10.9.9.9:2380"};
  find();
  EXPECT_NE(outcome().find("PeerURLs: no match found for existing member (a1, [http://10.9.9.9:2380]), last resolver "
                           "error ("),
            std::string::npos)
      << outcome();
  cluster = whole;
  for (Member& member : cluster.members) member.is_learner = true;
  find();
  EXPECT_EQ(outcome(), "membership: too many learner members in cluster");
  cluster.members.clear();
  find();
  EXPECT_NE(outcome().find("cannot fetch cluster info from peer urls: "), std::string::npos) << outcome();
  remote.memberships.clear();
  find();
  EXPECT_EQ(outcome(),
            "cannot fetch cluster info from peer urls: could not retrieve cluster information from the given URLs");
}

// VER-09
TEST_F(ClusterFinderTest, VersionsMustFit) {
  run_cluster();
  auto& versions = *remote.versions.at("http://10.0.0.2:2380");
  struct Case {
    const char* cluster;
    bool downgrading, fits;
  };
  for (const auto& [cluster, downgrading, fits] : std::vector<Case>{{"3.7.0", false, true},
                                                                    {"3.0.0", false, true},
                                                                    {"3.8.0", false, false},
                                                                    {"2.3.0", false, false},
                                                                    {"not_decided", false, false},
                                                                    {"3.8.0", true, true},
                                                                    {"3.7.0", true, false}}) {
    versions.cluster = cluster;
    remote.downgrading.insert_or_assign("http://10.0.0.3:2380", downgrading);
    find();
    EXPECT_EQ(outcome(), fits ? "joined" : "incompatible with current running cluster") << cluster << downgrading;
  }
  remote.versions.clear();
  find();
  EXPECT_EQ(outcome(), "incompatible with current running cluster") << "nobody said anything";
}

}  // namespace
}  // namespace holdfast::server
