// How a member's log begins, goes on, and is cut down to one member.
#include <algorithm>
#include <vector>

#include "base/errors.h"
#include "gtest/gtest.h"
#include "membership/member.h"
#include "raft/codec.h"
#include "server/bootstrap.h"
#include "sim/sim_disk.h"
#include "test/wal/wal_fixture.h"

namespace holdfast::server {
namespace {

struct LogStartTest : ::testing::Test {
  LogStartTest() {
    config.name = "one";
    config.data_dir = "/data";
    config.initial_cluster = {{"one", {"http://one:1"}}, {"two", {"http://two:1"}}, {"three", {"http://three:1"}}};
    config.advertise_peer_urls = {"http://one:1"};
    EXPECT_TRUE(disk.create_directories(config.member_dir()).ok());
    auto origin = origin_by_flags(config);
    EXPECT_TRUE(origin.ok());
    auto begun = begin_log(world.world, config, *origin);
    EXPECT_TRUE(begun.ok()) << begun.status();
    log = *std::move(begun);
    for (const raft::Peer& peer : log.founders) voters.voters.push_back(peer.id);
    others = voters.voters;
    std::erase(others, log.member);
  }
  raft::Entry entry(uint64_t index, std::string_view data = "x") {
    return {.term = Term(3), .index = Index(index), .data = SharedBytes(data)};
  }
  // A log of five entries, of which `commit` are committed.
  void write(uint64_t commit) {
    std::vector<raft::Entry> entries;
    for (uint64_t index = 1; index <= 5; ++index) entries.push_back(entry(index));
    ASSERT_TRUE(log.wal->save({Term(3), log.member, Index(commit)}, entries, wal::Sync::always).ok());
    reopen();
  }
  void reopen() {
    log.wal.reset();
    auto reopened = reopen_log(world.world, config);
    ASSERT_TRUE(reopened.ok()) << reopened.status();
    log = *std::move(reopened);
  }
  void force(raft::ConfState conf_state, uint64_t consistent) {
    ASSERT_TRUE(force_new_cluster(log, logger, conf_state, Index(consistent)).ok());
  }
  std::vector<raft::ConfChange> forced(size_t from) {
    std::vector<raft::ConfChange> changes;
    for (size_t i = from; i < log.contents.entries.size(); ++i) {
      EXPECT_EQ(log.contents.entries[i].index, Index(i + 1));
      auto change = raft::decode_conf_change(log.contents.entries[i].data);
      EXPECT_TRUE(change.ok());
      changes.push_back(*std::move(change));
    }
    return changes;
  }

  sim::SimDisk disk{1};
  wal::TestWorld world{disk};
  NullLogger logger;
  MemberConfig config;
  Log log;
  raft::ConfState voters;
  std::vector<MemberId> others;
};

// MEM-01, RAL-15
TEST_F(LogStartTest, FoundersAreThoseOfTheFlags) {
  ASSERT_EQ(log.founders.size(), 3u);
  EXPECT_TRUE(std::is_sorted(voters.voters.begin(), voters.voters.end()));
  EXPECT_EQ(log.member, membership::member_id({"http://one:1"}, "etcd-cluster"));
  EXPECT_EQ(log.cluster, membership::cluster_id(voters.voters));
  config.initial_cluster_state = ClusterState::existing;
  EXPECT_FALSE(origin_by_flags(config).ok()) << "others must be asked";
}

// A snapshot of our own that was under way when a later one came is noted behind it.
TEST_F(LogStartTest, BeginsAtTheNewestSnapshotWhereverItIsNoted) {
  write(4);
  const auto note = [this](uint64_t index) {
    ASSERT_TRUE(log.wal->save_snapshot({Index(index), Term(3), voters}).ok());
  };
  note(20);
  ASSERT_TRUE(log.wal->save({Term(3), log.member, Index(20)}, {}, wal::Sync::always).ok());
  note(3);
  const std::vector<raft::Entry> entries = {entry(21), entry(22)};
  ASSERT_TRUE(log.wal->save({Term(3), log.member, Index(21)}, entries, wal::Sync::always).ok());
  reopen();
  EXPECT_EQ(log.snapshot.index, Index(20));
  ASSERT_EQ(log.contents.entries.size(), 2u);
  EXPECT_EQ(log.contents.entries.front().index, Index(21));
}

// MEM-13: what the flags say later doesn't count.
TEST_F(LogStartTest, ALogKnowsWhoseItIs) {
  const MemberId member = log.member;
  const ClusterId cluster = log.cluster;
  write(4);
  config.initial_cluster = {{"one", {"http://elsewhere:1"}}};
  config.initial_cluster_token = "another";
  reopen();
  EXPECT_TRUE(log.reopened);
  EXPECT_EQ(log.member, member);
  EXPECT_EQ(log.cluster, cluster);
  EXPECT_TRUE(log.founders.empty());
  EXPECT_EQ(log.contents.entries.size(), 5u);
  EXPECT_EQ(log.contents.hard_state.commit, Index(4));
}

// A write of entries and the state behind them was cut after the entries.
TEST_F(LogStartTest, TheTermOfTheLastEntryHasBegun) {
  write(3);
  raft::Entry newer = entry(6);
  newer.term = Term(4);
  ASSERT_TRUE(log.wal->save({}, std::vector<raft::Entry>{newer}).ok());
  reopen();
  ASSERT_EQ(log.contents.hard_state.term, Term(3));
  const auto storage = make_raft_storage(log, voters, Index(3), "db");
  ASSERT_TRUE(storage.ok()) << storage.status();
  const auto state = (*storage)->initial_state().hard_state;
  EXPECT_EQ(state.term, Term(4));
  EXPECT_EQ(state.vote, raft::kNone) << "which was given in the term before";
  EXPECT_EQ(state.commit, Index(3));
}

// MEM-14
TEST_F(LogStartTest, ForcedToGoOnAlone) {
  write(3);
  force(voters, 3);
  const auto changes = forced(3);  // the two that were not committed are gone
  ASSERT_EQ(changes.size(), 2u);
  for (size_t i = 0; i < changes.size(); ++i) {
    EXPECT_EQ(changes[i].type, raft::ConfChangeType::remove_node);
    EXPECT_EQ(changes[i].node_id, others[i]);
  }
  EXPECT_EQ(log.contents.hard_state.commit, Index(5));
  // It is in the log: nothing that was dropped comes back.
  reopen();
  ASSERT_EQ(log.contents.entries.size(), 5u);
  EXPECT_EQ(log.contents.entries[3].type, raft::EntryType::conf_change);
  EXPECT_EQ(log.contents.entries[4].type, raft::EntryType::conf_change);
}

// TRP-59: the backend may know of more than the log noted as committed.
TEST_F(LogStartTest, WhatIsAppliedIsCommitted) {
  write(3);
  force(voters, 5);
  EXPECT_EQ(forced(5).size(), 2u);
  EXPECT_EQ(log.contents.hard_state.commit, Index(7));
}

// MEM-14: raft must have a voter at all times.
TEST_F(LogStartTest, WhoIsNoMemberIsAddedFirst) {
  write(5);
  force(raft::ConfState{.voters = others}, 5);
  const auto changes = forced(5);
  ASSERT_EQ(changes.size(), 3u);
  EXPECT_EQ(changes[0].type, raft::ConfChangeType::add_node);
  EXPECT_EQ(changes[0].node_id, log.member);
  EXPECT_EQ(membership::parse_member(changes[0].context.view())->peer_urls,
            (std::vector<std::string>{"http://localhost:2380"}));
  EXPECT_EQ(changes[1].type, raft::ConfChangeType::remove_node);
}

// MEM-14: members that entries of this log bring are sent away too.
TEST_F(LogStartTest, MembersOfTheLogCount) {
  std::vector<raft::Entry> entries = {entry(1), entry(2)};
  entries[0].type = raft::EntryType::conf_change;
  entries[0].data = SharedBytes(raft::encoded(raft::ConfChange{.node_id = MemberId(0x99)}));
  entries[1].type = raft::EntryType::conf_change;
  entries[1].data = SharedBytes(raft::encoded(
      raft::ConfChange{.type = raft::ConfChangeType::remove_node, .node_id = others[0]}));
  ASSERT_TRUE(log.wal->save({Term(3), log.member, Index(2)}, entries, wal::Sync::always).ok());
  reopen();
  force(voters, 2);
  std::vector<MemberId> removed;
  for (const raft::ConfChange& change : forced(2)) removed.push_back(change.node_id);
  std::vector<MemberId> expected = {MemberId(0x99), others[1]};
  std::sort(expected.begin(), expected.end());
  EXPECT_EQ(removed, expected);
}

// DIR-06
TEST_F(LogStartTest, ABackendBehindTheSnapshotIsRefused) {
  write(5);
  ASSERT_TRUE(log.wal->save_snapshot({Index(4), Term(3), voters}).ok());
  reopen();
  EXPECT_EQ(log.snapshot.index, Index(4));
  EXPECT_EQ(log.contents.entries.size(), 1u);
  const auto refused = make_raft_storage(log, voters, Index(3), "/db");
  EXPECT_EQ(message(refused.status()), "database file (/db index 3) does not match with snapshot (index 4)");
  const auto storage = make_raft_storage(log, voters, Index(4), "/db");
  ASSERT_TRUE(storage.ok());
  EXPECT_EQ((*storage)->last_index(), Index(5));
}

// A disk that lost what it had synced: applied is only what was in the log.
TEST_F(LogStartTest, ALogThatEndsBeforeTheBackendIsRefused) {
  write(5);
  reopen();
  EXPECT_TRUE(make_raft_storage(log, voters, Index(5), "/db").ok());
  const auto refused = make_raft_storage(log, voters, Index(6), "/db");
  EXPECT_EQ(refused.status().code(), absl::StatusCode::kDataLoss);
  EXPECT_EQ(message(refused.status()),
            "the log ends at index 5, before what the database has applied (index 6); entries that were synced are lost: "
            "remove this member and add it anew");
  EXPECT_FALSE(force_new_cluster(log, logger, voters, Index(6)).ok());
}

}  // namespace
}  // namespace holdfast::server
