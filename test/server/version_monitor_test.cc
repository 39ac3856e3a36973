#include "server/version_monitor.h"

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
  EXPECT_TRUE(is_guess({}, run({"3.7.1", nullptr})));
  EXPECT_TRUE(is_guess(Version{3, 0, 0, {}}, run({"3.7.1", nullptr})));
  EXPECT_FALSE(is_guess({}, run({"3.7.1", "3.4.23"})));
  EXPECT_FALSE(is_guess(Version{3, 7, 0, {}}, run({"3.7.1", nullptr})));
}

}  // namespace
}  // namespace holdfast::server
