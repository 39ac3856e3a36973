// The checkers see what they are there to see: each is shown a history that breaks one rule.
#include "raft/invariants.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "raft/configuration_history.h"
#include "test/raft/cluster.h"

namespace holdfast::raft {
namespace {

// A member whose past is made up: entries by term, from index 2 on.
struct Made {
  Made(uint64_t id, uint64_t term, uint64_t vote, uint64_t committed, std::vector<uint64_t> terms,
       std::string_view data = "x", uint64_t applied = 0) {
    Snapshot snapshot;
    snapshot.metadata = {ConfState{.voters = {MemberId(1), MemberId(2), MemberId(3)}}, Index(1),
                         Term(1)};
    EXPECT_TRUE(storage.apply_snapshot(snapshot));
    Index index(2);
    for (uint64_t t : terms) {
      storage.append({Entry{.term = Term(t), .index = index, .data = SharedBytes(data)}});
      ++index;
    }
    storage.set_hard_state({Term(term), MemberId(vote), Index(committed)});
    Config config;
    config.id = MemberId(id);
    config.storage = &storage;
    config.logger = &logger;
    config.applied = Index(applied);
    node.emplace(config);
  }
  // The others vote for it.
  Made& lead() {
    (void)node->campaign();
    (void)node->ready();
    node->advance();
    Message vote;
    vote.type = MessageType::vote_resp;
    vote.to = node->id();
    vote.term = node->term();
    for (uint64_t id : {1, 2, 3}) {
      vote.from = MemberId(id);
      if (vote.from != node->id()) (void)node->step(vote);
    }
    EXPECT_EQ(node->state(), StateType::leader);
    return *this;
  }
  Made& follow(uint64_t leader, uint64_t term) {
    Message heartbeat;
    heartbeat.type = MessageType::heartbeat;
    heartbeat.from = MemberId(leader);
    heartbeat.to = node->id();
    heartbeat.term = Term(term);
    (void)node->step(heartbeat);
    return *this;
  }
  const Raft& raft() const { return node->raft(); }

  MemoryStorage storage;
  RecordingLogger logger;
  std::optional<RawNode> node;
};

std::string message(const absl::Status& status) { return std::string(status.message()); }

std::string after(const Made& before, const Made& now) {
  Invariants invariants;
  EXPECT_TRUE(invariants.check(before.raft()).ok());
  return message(invariants.check(now.raft()));
}

using testing::HasSubstr;

TEST(Invariants, SeeWhatMustNotChange) {
  const Made before(1, 5, 2, 3, {1, 2, 3}, "x", 3);
  EXPECT_EQ(after(before, before), "");
  EXPECT_EQ(after(before, Made(1, 6, 3, 4, {1, 2, 3}, "x", 4)), "");
  EXPECT_THAT(after(before, Made(1, 4, 0, 3, {1, 2, 3}, "x", 3)), HasSubstr("term fell from 5"));
  EXPECT_THAT(after(before, Made(1, 5, 3, 3, {1, 2, 3}, "x", 3)),
              HasSubstr("voted for 2 and then for 3"));
  EXPECT_THAT(after(before, Made(1, 5, 2, 2, {1, 2, 3}, "x", 2)), HasSubstr("commit fell from 3"));
  EXPECT_THAT(after(before, Made(1, 5, 2, 3, {1, 2, 3}, "x", 2)), HasSubstr("applied fell from 3"));
  EXPECT_THAT(after(before, Made(1, 5, 2, 3, {1, 1, 3}, "x", 3)),
              HasSubstr("committed entry 3 changed from term 2 to 1"));
}

TEST(Invariants, SeeTwoLeadersAndLostEntriesOfALeader) {
  Made one(1, 5, 0, 1, {});
  one.follow(2, 6);
  Made other(1, 5, 0, 1, {});
  other.follow(3, 6);
  EXPECT_THAT(after(one, other), HasSubstr("two leaders in one term: 2 and 3"));

  Made leader(1, 5, 0, 1, {1, 2, 3});
  leader.lead();
  Made shorter(1, 5, 0, 1, {1});
  shorter.lead();
  EXPECT_THAT(after(leader, shorter), HasSubstr("a leader dropped or replaced its entry 5"));
}

TEST(Invariants, SeeStatesThatCannotBe) {
  // The last entry is of a term that the member has not reached.
  EXPECT_THAT(message(Invariants().check(Made(1, 2, 0, 1, {3}).raft())),
              HasSubstr("future term 3"));
}

TEST(Invariants, ARestartMayForgetCommitAndApplied) {
  Invariants invariants;
  EXPECT_TRUE(invariants.check(Made(1, 5, 2, 4, {1, 2, 3}, "x", 4).raft()).ok());
  invariants.restarted();
  EXPECT_TRUE(invariants.check(Made(1, 5, 2, 3, {1, 2, 3}, "x", 1).raft()).ok());
}

TEST(ClusterInvariants, ElectionSafety) {
  ClusterInvariants cluster;
  Made a(1, 1, 0, 1, {});
  Made b(2, 1, 0, 1, {});
  EXPECT_TRUE(cluster.check(a.lead().raft()).ok());
  EXPECT_THAT(message(cluster.check(b.lead().raft())), HasSubstr("Election Safety: both 1 and 2"));
}

// As a member does whose term and vote were not on its disk when the others elected it.
TEST(ClusterInvariants, NobodyLeadsATermTwice) {
  ClusterInvariants cluster;
  Made first(1, 1, 0, 1, {});
  EXPECT_TRUE(cluster.check(first.raft()).ok());
  EXPECT_TRUE(cluster.check(first.lead().raft()).ok());
  EXPECT_TRUE(cluster.check(first.raft()).ok());
  Made second(1, 1, 0, 1, {});
  EXPECT_TRUE(cluster.check(second.raft()).ok());
  EXPECT_THAT(message(cluster.check(second.lead().raft())), HasSubstr("leads term 2 for the second time"));
}

TEST(ClusterInvariants, StateMachineSafety) {
  ClusterInvariants cluster;
  EXPECT_TRUE(cluster.check(Made(1, 3, 0, 3, {2, 2}, "a").raft()).ok());
  EXPECT_TRUE(cluster.check(Made(2, 3, 0, 3, {2, 2}, "a").raft()).ok());
  EXPECT_THAT(message(cluster.check(Made(3, 3, 0, 3, {2, 2}, "b").raft())),
              HasSubstr("entry 2 was committed with another content"));
  EXPECT_EQ(cluster.committed(), Index(3));
}

TEST(ClusterInvariants, LeaderCompleteness) {
  ClusterInvariants cluster;
  EXPECT_TRUE(cluster.check(Made(1, 3, 0, 3, {2, 2}).raft()).ok());
  Made incomplete(2, 4, 0, 1, {2});
  EXPECT_THAT(message(cluster.check(incomplete.lead().raft())),
              HasSubstr("Leader Completeness: the committed entry 3 of term 2 is missing"));
}

TEST(ClusterInvariants, LogMatching) {
  const Made a(1, 5, 0, 1, {1, 2, 3}, "a");
  const Made b(2, 5, 0, 1, {1, 2, 4}, "a");
  const Made c(3, 5, 0, 1, {1, 4, 4}, "a");
  const Made d(3, 5, 0, 1, {2, 2, 3}, "a");
  EXPECT_TRUE(ClusterInvariants::check_log_matching(a.raft(), b.raft()).ok());
  EXPECT_TRUE(ClusterInvariants::check_log_matching(a.raft(), c.raft()).ok());
  EXPECT_THAT(message(ClusterInvariants::check_log_matching(a.raft(), d.raft())),
              HasSubstr("Log Matching: entry 2"));
  EXPECT_THAT(message(ClusterInvariants::check_log_matching(b.raft(), c.raft())),
              HasSubstr("Log Matching: entry 3"));
}

ConfChange adds(uint64_t id) { return {.type = ConfChangeType::add_node, .node_id = MemberId(id)}; }

TEST(ConfigurationHistory, EveryMemberHasTheSameAfterTheSameEntry) {
  ConfigurationHistory history(Index(3));
  Made a(1, 1, 0, 1, {}), b(2, 1, 0, 1, {}), c(3, 1, 0, 1, {});
  for (Made* m : {&a, &b}) {
    EXPECT_TRUE(history.check(m->raft()).ok());
    m->node->apply_conf_change(adds(4), Index(5));
    EXPECT_TRUE(history.check(m->raft()).ok());
  }
  c.node->apply_conf_change(adds(5), Index(5));
  EXPECT_THAT(message(history.check(c.raft())), HasSubstr("after entry 5, others have"));
}

TEST(ConfigurationHistory, FoundersLearnOfEachOtherInTheirOwnWays) {
  ConfigurationHistory history(Index(9));
  Made a(1, 1, 0, 1, {}), b(2, 1, 0, 1, {});
  a.node->apply_conf_change(adds(4), Index(5));
  EXPECT_TRUE(history.check(a.raft()).ok());
  b.node->apply_conf_change(adds(5), Index(5));
  EXPECT_TRUE(history.check(b.raft()).ok());
}

TEST(ConfigurationHistory, NoEntryTakesEffectTwice) {
  ConfigurationHistory history(Index(0));
  Made a(1, 1, 0, 1, {});
  a.node->apply_conf_change(adds(4), Index(5));
  EXPECT_TRUE(history.check(a.raft()).ok());
  a.node->apply_conf_change(adds(4), Index(4));
  EXPECT_THAT(message(history.check(a.raft())), HasSubstr("takes the configuration of entry 4 over, and has all up to 5"));

  // Across a restart: the backend says what it has.
  Made again(1, 1, 0, 1, {});
  history.restarted(MemberId(1), Index(3));
  EXPECT_TRUE(history.check(again.raft()).ok());
  again.node->apply_conf_change(adds(4), Index(5));
  EXPECT_TRUE(history.check(again.raft()).ok()) << "it was not committed";
  Made third(1, 1, 0, 1, {});
  history.restarted(MemberId(1), Index(5));
  third.node->apply_conf_change(adds(4), Index(5));
  EXPECT_FALSE(history.check(third.raft()).ok());
}

}  // namespace
}  // namespace holdfast::raft
