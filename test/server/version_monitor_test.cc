#include "server/version_monitor.h"

#include <set>

#include "gtest/gtest.h"
#include "server/downgrades.h"

namespace holdfast::server {
namespace {

using membership::Version;

MemberVersions run(std::initializer_list<const char*> servers) {
  MemberVersions versions;
  uint64_t id = 0;
  for (const char* server : servers) {
    auto& version = versions[MemberId(++id)];
    if (server != nullptr) version = RemoteCluster::Versions{server, "3.6.0"};
  }
  return versions;
}

struct Connected : NoPeers {
  env::Instant active_since(MemberId id) const override { return {ids.contains(id) ? 1 : 0}; }
  std::set<MemberId> ids;
};

membership::Cluster cluster_at(std::optional<Version> version, const char* downgrade_to = nullptr) {
  membership::Cluster cluster;
  membership::RecordChanges records;
  if (version) cluster.set_version(*version, records);
  if (downgrade_to != nullptr) cluster.set_downgrade({true, downgrade_to}, records);
  return cluster;
}

// VER-01
TEST(LowestVersionTest, IsTheMinimumByNumber) {
  EXPECT_EQ(lowest_version(run({"3.7.1", "3.10.0", "3.6.9"})), (Version{3, 6, 9, {}}));
  EXPECT_EQ(lowest_version(run({"3.10.2"})), (Version{3, 10, 2, {}}));
  EXPECT_EQ(lowest_version(run({"3.7.1", nullptr})), std::nullopt) << "one did not answer";
  EXPECT_EQ(lowest_version(run({"3"})), std::nullopt);
  EXPECT_EQ(lowest_version({}), std::nullopt);
}

// VER-01, TRP-51
TEST(NextClusterVersionTest, RisesWithTheOldestMember) {
  const Version v36{3, 6, 0, {}};
  EXPECT_EQ(*next_cluster_version(cluster_at({}), Version{3, 7, 1, {}}), (Version{3, 7, 0, {}}));
  EXPECT_EQ(*next_cluster_version(cluster_at({}), std::nullopt), (Version{3, 0, 0, {}}));
  EXPECT_EQ(*next_cluster_version(cluster_at(v36), Version{3, 7, 1, {}}), (Version{3, 7, 0, {}}));
  EXPECT_EQ(*next_cluster_version(cluster_at(v36), Version{3, 5, 0, {}}), std::nullopt)
      << "it falls only by a downgrade that was asked for";
  EXPECT_EQ(*next_cluster_version(cluster_at(v36), std::nullopt), std::nullopt);
}

// VER-08
TEST(NextClusterVersionTest, FallsToTheTargetOfADowngrade) {
  const Version v37{3, 7, 0, {}};
  EXPECT_EQ(*next_cluster_version(cluster_at(v37, "3.6.0"), v37), (Version{3, 6, 0, {}}));
  EXPECT_EQ(*next_cluster_version(cluster_at(Version{3, 6, 0, {}}, "3.6.0"), v37), std::nullopt)
      << "it is there";
  EXPECT_FALSE(next_cluster_version(cluster_at(v37, "3.5.0"), v37).ok());
}

TEST(AllRunTest, LooksAtEveryMember) {
  const Version target{3, 6, 0, {}};
  EXPECT_TRUE(all_run(run({"3.6.1", "3.6.9"}), target));
  EXPECT_FALSE(all_run(run({"3.6.1", "3.7.1"}), target));
  EXPECT_FALSE(all_run(run({"3.6.1", nullptr}), target));
}

// MEM-10: 3.4 dies of the v3 form, 3.7 of the v2 form.
TEST(FactFormTest, FollowsTheOldestMember) {
  EXPECT_EQ(fact_form(Version{3, 4, 0, {}}, {}), FactForm::v2);
  EXPECT_EQ(fact_form(Version{3, 5, 0, {}}, {}), FactForm::v3);
  EXPECT_EQ(fact_form(Version{3, 7, 0, {}}, run({"3.4.0"})), FactForm::v3);
  // Not decided, or decided without knowing: the members tell.
  EXPECT_EQ(fact_form({}, run({"3.7.1", "3.4.23"})), FactForm::v2);
  EXPECT_EQ(fact_form({}, run({"3.7.1", nullptr})), FactForm::v3);
  EXPECT_EQ(fact_form(Version{3, 0, 0, {}}, run({"3.7.1", "3.4.23"})), FactForm::v2);
  EXPECT_EQ(fact_form(Version{3, 0, 0, {}}, run({"3.7.1"})), FactForm::v3);
  // A silent member may be one of 3.4, unless the cluster's version says that there is none.
  Connected peers;
  EXPECT_EQ(doubt_about({}, run({"3.7.1", nullptr}), peers), Doubt::about_one_that_is_down);
  EXPECT_EQ(doubt_about(Version{3, 0, 0, {}}, run({"3.7.1", nullptr}), peers), Doubt::about_one_that_is_down);
  EXPECT_EQ(doubt_about({}, run({"3.7.1", "3.4.23"}), peers), Doubt::none);
  EXPECT_EQ(doubt_about(Version{3, 7, 0, {}}, run({"3.7.1", nullptr}), peers), Doubt::none);
  peers.ids = {MemberId(3)};
  EXPECT_EQ(doubt_about({}, run({"3.7.1", nullptr, nullptr}), peers), Doubt::about_one_that_is_connected);
}

// A cluster comes up without a member that is down; one that is only too busy to answer is waited for.
TEST(FactFormTest, WhoIsConnectedIsWaitedFor) {
  EXPECT_TRUE(ask_again(Doubt::about_one_that_is_down, kSilenceMax / 2));
  EXPECT_FALSE(ask_again(Doubt::about_one_that_is_down, kSilenceMax));
  EXPECT_TRUE(ask_again(Doubt::about_one_that_is_connected, 100 * kSilenceMax));
  EXPECT_FALSE(ask_again(Doubt::none, env::Duration(0)));
}

}  // namespace
}  // namespace holdfast::server
