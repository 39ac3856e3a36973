#include "membership/cluster.h"

#include "base/errors.h"
#include "gtest/gtest.h"

namespace holdfast::membership {
namespace {

using raft::ConfChange;
using raft::ConfChangeType;

Member member(uint64_t id, std::string name = {}, bool is_learner = false) {
  return {.id = MemberId(id),
          .peer_urls = {"http://h" + std::to_string(id) + ":2380"},
          .is_learner = is_learner,
          .name = std::move(name)};
}

Cluster cluster_of(const std::vector<Member>& members) {
  Cluster cluster = Cluster::provisional(ClusterId(9), {});
  RecordChanges ignored;
  for (const Member& m : members) cluster.add(m, ignored);
  return cluster;
}

ConfChange change(ConfChangeType type, uint64_t id, std::string context = {}) {
  return {.type = type, .node_id = MemberId(id), .context = SharedBytes(context)};
}
ConfChange add(const Member& m) {
  return change(m.is_learner ? ConfChangeType::add_learner_node : ConfChangeType::add_node,
                m.id.value, to_json(m));
}
ConfChange promote(uint64_t id) {
  return change(ConfChangeType::add_node, id, to_json(ConfChangeContext{{.id = MemberId(id)}, true}));
}

TEST(Validate, Additions) {  // CLU-05
  Cluster cluster = cluster_of({member(1), member(2)});
  RecordChanges ignored;
  cluster.add(member(3), ignored);
  cluster.remove(MemberId(3), ignored);
  EXPECT_TRUE(cluster.validate(add(member(4)), 1).ok());
  EXPECT_TRUE(is(cluster.validate(add(member(3)), 1), EtcdError::member_not_found));  // CLU-07
  EXPECT_TRUE(is(cluster.validate(add(member(1)), 1), EtcdError::member_exist));
  Member twin = member(5);
  twin.peer_urls = {"http://new:1", "http://h2:2380"};
  EXPECT_TRUE(is(cluster.validate(add(twin), 1), EtcdError::peer_url_exist));
  EXPECT_EQ(cluster.validate(change(ConfChangeType::add_node, 4, "{"), 1).code(),
            absl::StatusCode::kInvalidArgument);
}

TEST(Validate, Learners) {  // CLU-05, CLU-09
  Cluster cluster = cluster_of({member(1), member(2, "", true)});
  EXPECT_TRUE(is(cluster.validate(add(member(3, "", true)), 1), EtcdError::too_many_learners));
  EXPECT_TRUE(cluster.validate(add(member(3, "", true)), 2).ok());
  EXPECT_TRUE(cluster.validate(promote(2), 1).ok());
  EXPECT_TRUE(is(cluster.validate(promote(1), 1), EtcdError::member_not_learner));
  EXPECT_TRUE(is(cluster.validate(promote(7), 1), EtcdError::member_not_found));
}

TEST(Validate, RemovalsAndUpdates) {  // CLU-05, CLU-06, CLU-08
  Cluster cluster = cluster_of({member(1), member(2)});
  EXPECT_TRUE(cluster.validate(change(ConfChangeType::remove_node, 1), 1).ok());
  EXPECT_TRUE(is(cluster.validate(change(ConfChangeType::remove_node, 7), 1),
                 EtcdError::member_not_found));
  Member update = member(1);
  EXPECT_TRUE(cluster.validate(change(ConfChangeType::update_node, 1, to_json(update)), 1).ok());
  update.peer_urls = {"http://h2:2380"};
  EXPECT_TRUE(is(cluster.validate(change(ConfChangeType::update_node, 1, to_json(update)), 1),
                 EtcdError::peer_url_exist));
  EXPECT_TRUE(is(cluster.validate(change(ConfChangeType::update_node, 7, to_json(update)), 1),
                 EtcdError::member_not_found));
}

// Raft can't be without voters; etcd panics at such an entry, at each start again.
TEST(Validate, TheLastVoterStays) {
  Cluster cluster = cluster_of({member(1), member(2), member(3, "", true)});
  RecordChanges ignored;
  EXPECT_TRUE(cluster.validate(change(ConfChangeType::remove_node, 1), 1).ok());
  cluster.remove(MemberId(2), ignored);
  EXPECT_TRUE(is(cluster.validate(change(ConfChangeType::remove_node, 1), 1),
                 EtcdError::member_not_enough_started));
  EXPECT_TRUE(cluster.validate(change(ConfChangeType::remove_node, 3), 1).ok());
}

TEST(Validate, ProvisionalMembersAreNotInTheWay) {  // RAL-15
  Cluster cluster = Cluster::provisional(ClusterId(9), {member(1, "a"), member(2, "b")});
  EXPECT_EQ(cluster.members().size(), 2u);
  EXPECT_FALSE(cluster.is_established());
  EXPECT_TRUE(cluster.conf_state().voters.empty());
  RecordChanges records;
  EXPECT_TRUE(cluster.validate(add(member(1, "a")), 1).ok());
  cluster.add(member(1, "a"), records);
  EXPECT_TRUE(cluster.is_established());
  EXPECT_TRUE(is(cluster.validate(add(member(1, "a")), 1), EtcdError::member_exist));
  EXPECT_TRUE(cluster.validate(add(member(2, "b")), 1).ok());
  EXPECT_TRUE(is(cluster.validate(change(ConfChangeType::remove_node, 2), 1),
                 EtcdError::member_not_found));
}

TEST(Cluster, WritesEtcdsRecords) {  // MEM-09, BKT-07, VER-02, VER-07
  Cluster cluster = cluster_of({});
  RecordChanges records;
  cluster.add(member(0xabc, "", true), records);
  EXPECT_EQ(records, (RecordChanges{{RecordBucket::members, "abc",
                                     R"({"id":2748,"peerURLs":["http://h2748:2380"],"isLearner":true})"}}));
  records.clear();
  EXPECT_TRUE(cluster.promote(MemberId(0xabc), records));
  EXPECT_TRUE(cluster.update_attributes(MemberId(0xabc), "n", {"http://c:1"}, records));
  EXPECT_TRUE(cluster.update_peer_urls(MemberId(0xabc), {"http://z:1"}, records));
  EXPECT_FALSE(cluster.promote(MemberId(1), records));
  EXPECT_FALSE(cluster.update_attributes(MemberId(1), "n", {}, records));
  EXPECT_FALSE(cluster.update_peer_urls(MemberId(1), {}, records));
  ASSERT_EQ(records.size(), 3u);
  EXPECT_EQ(records[2].value,
            R"({"id":2748,"peerURLs":["http://z:1"],"name":"n","clientURLs":["http://c:1"]})");
  records.clear();
  cluster.set_version(Version{3, 7, 0, {}}, records);
  cluster.set_downgrade({true, "3.6.0"}, records);
  cluster.remove(MemberId(0xabc), records);
  EXPECT_EQ(records,
            (RecordChanges{{RecordBucket::cluster, "clusterVersion", "3.7.0"},
                           {RecordBucket::cluster, "downgrade",
                            R"({"target-version":"3.6.0","enabled":true})"},
                           {RecordBucket::members, "abc", std::nullopt},
                           {RecordBucket::members_removed, "abc", "removed"}}));
}

TEST(Cluster, IsReadBack) {  // MEM-07
  const StoredRecords records{.members = {{"1", to_json(member(1, "a"))},
                                          {"ff", to_json(member(255, "", true))}},
                              .members_removed = {"5"},
                              .cluster_version = "3.7.0",
                              .downgrade = R"({"target-version":"3.6.0","enabled":true})"};
  const auto cluster = Cluster::from_records(ClusterId(9), records);
  ASSERT_TRUE(cluster.ok()) << cluster.status();
  EXPECT_EQ(cluster->voters(), (std::vector<MemberId>{MemberId(1)}));
  EXPECT_EQ(cluster->learners(), (std::vector<MemberId>{MemberId(255)}));
  EXPECT_EQ(cluster->conf_state().learners, cluster->learners());
  EXPECT_TRUE(cluster->is_removed(MemberId(5)));
  EXPECT_EQ(cluster->version(), (Version{3, 7, 0, {}}));
  EXPECT_EQ(cluster->downgrade(), (DowngradeInfo{true, "3.6.0"}));
  EXPECT_EQ(cluster->find_by_name("a")->id, MemberId(1));
  EXPECT_EQ(cluster->find_by_name("z"), nullptr);

  for (const StoredRecords& damaged :
       {StoredRecords{.members = {{"xyz", to_json(member(1))}}}, StoredRecords{.members = {{"1", "{"}}},
        StoredRecords{.members_removed = {""}}, StoredRecords{.cluster_version = "3"},
        StoredRecords{.downgrade = R"({"target-version":"x","enabled":true})"}})
    EXPECT_EQ(Cluster::from_records(ClusterId(9), damaged).status().code(),
              absl::StatusCode::kDataLoss);
}

TEST(StrictReconfiguration, Quorums) {  // CLU-03, CLU-06, CLU-09
  EXPECT_TRUE(cluster_of({member(1, "a")}).is_ready_to_add_voter());  // one of one
  EXPECT_FALSE(cluster_of({member(1)}).is_ready_to_add_voter());
  EXPECT_FALSE(cluster_of({member(1, "a"), member(2)}).is_ready_to_add_voter());
  EXPECT_TRUE(cluster_of({member(1, "a"), member(2, "b")}).is_ready_to_add_voter());
  EXPECT_FALSE(cluster_of({member(1, "a"), member(2, "b"), member(3)}).is_ready_to_add_voter());
  EXPECT_TRUE(
      cluster_of({member(1, "a"), member(2, "b"), member(3, "", true)}).is_ready_to_add_voter());

  const Cluster three = cluster_of({member(1, "a"), member(2, "b"), member(3)});
  EXPECT_TRUE(three.is_ready_to_remove_voter(MemberId(3)));
  EXPECT_FALSE(three.is_ready_to_remove_voter(MemberId(1)));
  EXPECT_FALSE(cluster_of({member(1, "a")}).is_ready_to_remove_voter(MemberId(1)));

  EXPECT_TRUE(cluster_of({member(1, "a"), member(2, "", true)}).is_ready_to_promote());
  EXPECT_FALSE(cluster_of({member(1), member(2), member(3, "", true)}).is_ready_to_promote());
}

}  // namespace
}  // namespace holdfast::membership
