// Readys: what is asked for, in which order, and when it counts as done. Without and with
// asynchronous storage writes.
#include "raft/raw_node.h"

#include <algorithm>

#include "gtest/gtest.h"
#include "raft/describe.h"
#include "test/raft/cluster.h"

namespace holdfast::raft {
namespace {

struct Single {
  explicit Single(Cluster::Tune tune = {}) {
    config.id = MemberId(1);
    config.storage = &storage;
    config.logger = &logger;
    if (tune) tune(config);
  }
  void start_with_voters(std::vector<MemberId> voters) {
    Snapshot snapshot;
    snapshot.metadata = {ConfState{.voters = std::move(voters)}, Index(1), Term(1)};
    ASSERT_TRUE(storage.apply_snapshot(snapshot));
    storage.set_hard_state({Term(1), kNone, Index(1)});
    node.emplace(config);
  }

  MemoryStorage storage;
  RecordingLogger logger;
  Config config;
  std::optional<RawNode> node;
};

Cluster::Tune async() {
  return [](Config& config) { config.async_storage_writes = true; };
}

const Message* find(const Ready& ready, MessageType type) {
  const auto at = std::find_if(ready.messages.begin(), ready.messages.end(),
                               [type](const Message& m) { return m.type == type; });
  return at == ready.messages.end() ? nullptr : &*at;
}

// The thread that `work` is for has done it.
void finish(Single& s, const Message& work) {
  if (work.type == MessageType::storage_append) {
    if (work.term != Term(0)) s.storage.set_hard_state({work.term, work.vote, work.commit});
    s.storage.append(work.entries);
  }
  for (const Message& response : work.responses) {
    if (response.to == s.node->id()) {
      EXPECT_EQ(s.node->step(response), StepResult::ok);
    }
  }
}

TEST(Bootstrap, MakesTheSameFirstEntriesEverywhere) {  // RAL-15
  Single s;
  s.node.emplace(s.config);
  const std::vector<Peer> peers{{MemberId(1), SharedBytes(R"({"id":1})")},
                                {MemberId(2), SharedBytes(R"({"id":2})")}};
  ASSERT_TRUE(s.node->bootstrap(peers).ok());
  const Ready ready = s.node->ready();
  EXPECT_EQ(*ready.hard_state, (HardState{Term(1), kNone, Index(2)}));
  EXPECT_TRUE(ready.must_sync);
  ASSERT_EQ(ready.entries.size(), 2u);
  ASSERT_EQ(ready.committed_entries.size(), 2u);
  for (size_t i = 0; i < 2; ++i) {
    const Entry& entry = ready.entries[i];
    EXPECT_EQ(entry.term, Term(1));
    EXPECT_EQ(entry.index, Index(i + 1));
    const auto change = decode_conf_change(entry.data.view());
    ASSERT_TRUE(change.ok());
    EXPECT_EQ(*change, (ConfChange{.node_id = peers[i].id, .context = peers[i].context}));
  }
  s.storage.append(ready.entries);
  EXPECT_FALSE(s.node->bootstrap(peers).ok());
  EXPECT_FALSE(s.node->bootstrap({}).ok());
}

TEST(RawNode, AQuietNodeHasNoReady) {
  Single s;
  s.start_with_voters({MemberId(1), MemberId(2)});
  EXPECT_FALSE(s.node->has_ready());
  EXPECT_EQ(describe(s.node->ready()), "<empty Ready>");
}

TEST(RawNode, SyncsWhatMustNotBeForgotten) {  // RAL-16
  EXPECT_FALSE(must_sync({Term(1), MemberId(1), Index(1)}, {Term(1), MemberId(1), Index(1)}, 0));
  EXPECT_TRUE(must_sync({Term(2), MemberId(1), Index(1)}, {Term(1), MemberId(1), Index(1)}, 0));
  EXPECT_TRUE(must_sync({Term(1), MemberId(2), Index(1)}, {Term(1), MemberId(1), Index(1)}, 0));
  EXPECT_FALSE(must_sync({Term(1), MemberId(1), Index(2)}, {Term(1), MemberId(1), Index(1)}, 0));
  EXPECT_TRUE(must_sync({Term(1), MemberId(1), Index(1)}, {Term(1), MemberId(1), Index(1)}, 1));
}

TEST(RawNode, ContinuesWhereItStopped) {
  Single s([](Config& config) { config.applied = Index(3); });
  Snapshot snapshot;
  snapshot.metadata = {ConfState{.voters = {MemberId(1), MemberId(2)}}, Index(2), Term(1)};
  ASSERT_TRUE(s.storage.apply_snapshot(snapshot));
  s.storage.append({Entry{.term = Term(1), .index = Index(3), .data = SharedBytes("a")},
                    Entry{.term = Term(1), .index = Index(4), .data = SharedBytes("b")},
                    Entry{.term = Term(1), .index = Index(5), .data = SharedBytes("c")}});
  s.storage.set_hard_state({Term(1), MemberId(2), Index(4)});
  s.node.emplace(s.config);
  const Ready ready = s.node->ready();
  EXPECT_FALSE(ready.hard_state);
  EXPECT_FALSE(ready.must_sync);
  EXPECT_TRUE(ready.entries.empty());
  ASSERT_EQ(ready.committed_entries.size(), 1u);
  EXPECT_EQ(ready.committed_entries[0].index, Index(4));
  EXPECT_EQ(s.node->raft().vote(), MemberId(2));
}

TEST(RawNode, CommittedEntriesComeInPages) {
  Single s([](Config& config) { config.max_committed_size_per_ready = 2048; });
  s.start_with_voters({MemberId(1)});
  std::vector<Entry> entries;
  for (uint64_t i = 2; i < 12; ++i)
    entries.push_back(
        {.term = Term(1), .index = Index(i), .data = SharedBytes(std::string(1000, 'a'))});
  s.storage.append(entries);
  s.storage.set_hard_state({Term(1), kNone, Index(11)});
  s.node.emplace(s.config);
  Index next(2);
  while (next < Index(12)) {
    ASSERT_TRUE(s.node->has_ready());
    const Ready ready = s.node->ready();
    ASSERT_EQ(ready.committed_entries.size(), 2u);
    for (const Entry& entry : ready.committed_entries) {
      EXPECT_EQ(entry.index, next);
      ++next;
    }
    EXPECT_FALSE(s.node->has_ready());  // no more until these are applied
    s.node->advance();
  }
  EXPECT_FALSE(s.node->has_ready());
}

TEST(RawNodeDeathTest, ReadysAreTakenOneAtATime) {
  Single s;
  s.start_with_voters({MemberId(1)});
  (void)s.node->campaign();
  (void)s.node->ready();
  EXPECT_DEATH((void)s.node->ready(), "without call to Advance");
}

TEST(RawNodeDeathTest, AStateThatContradictsTheLogEndsTheProcess) {
  Single s;
  s.storage.set_hard_state({Term(1), kNone, Index(5)});
  EXPECT_DEATH(RawNode node(s.config), "state.commit 5 is out of range \\[0, 0\\]");
}

TEST(RawNode, SaysHowItIs) {
  Cluster cluster(2);
  cluster.elect(1);
  cluster.put(1, "a");
  const Status status = cluster[1].status();
  EXPECT_EQ(
      to_json(status),
      R"({"id":"1","term":2,"vote":"1","commit":3,"lead":"1","raftState":"StateLeader","applied":3,)"
      R"("progress":{"1":{"match":3,"next":4,"state":"StateReplicate"},)"
      R"("2":{"match":3,"next":4,"state":"StateReplicate"}},"leadtransferee":"0"})");
  EXPECT_TRUE(cluster[2].status().progress.empty());
  size_t seen = 0;
  cluster[1].visit_progress([&seen](MemberId id, const Progress&) { EXPECT_EQ(id.value, ++seen); });
  EXPECT_EQ(seen, 2u);
}

TEST(AsyncStorage, VotesWaitForTheDisk) {
  Single s(async());
  s.start_with_voters({MemberId(1), MemberId(2)});
  Message request;
  request.type = MessageType::vote;
  request.from = MemberId(2);
  request.to = MemberId(1);
  request.term = Term(2);
  request.log_term = Term(1);
  request.index = Index(1);
  EXPECT_EQ(s.node->step(request), StepResult::ok);
  const Ready ready = s.node->ready();
  EXPECT_EQ(find(ready, MessageType::vote_resp), nullptr);
  const Message* append = find(ready, MessageType::storage_append);
  ASSERT_NE(append, nullptr);
  EXPECT_EQ(append->to, kLocalAppendThread);
  EXPECT_EQ(append->term, Term(2));
  EXPECT_EQ(append->vote, MemberId(2));
  ASSERT_EQ(append->responses.size(), 1u);
  EXPECT_EQ(append->responses[0].type, MessageType::vote_resp);
}

TEST(AsyncStorage, ALeadersAppendsTravelWhileItsDiskWorks) {  // PUT-22
  Single s(async());
  s.start_with_voters({MemberId(1), MemberId(2)});
  (void)s.node->campaign();
  finish(s, *find(s.node->ready(), MessageType::storage_append));
  (void)s.node->ready();
  Message vote;
  vote.type = MessageType::vote_resp;
  vote.from = MemberId(2);
  vote.to = MemberId(1);
  vote.term = s.node->term();
  EXPECT_EQ(s.node->step(vote), StepResult::ok);
  ASSERT_EQ(s.node->state(), StateType::leader);
  // The entry goes to the other member and to the own disk at the same time.
  const Ready ready = s.node->ready();
  const Message* to_the_other = find(ready, MessageType::app);
  const Message* to_the_disk = find(ready, MessageType::storage_append);
  ASSERT_NE(to_the_other, nullptr);
  ASSERT_NE(to_the_disk, nullptr);
  EXPECT_EQ(to_the_other->entries, to_the_disk->entries);

  // A follower acknowledges when its disk has the entry.
  Single f(async());
  f.start_with_voters({MemberId(1), MemberId(2)});
  Message append;
  append.type = MessageType::app;
  append.from = MemberId(2);
  append.to = MemberId(1);
  append.term = Term(2);
  append.log_term = Term(1);
  append.index = Index(1);
  append.entries = {{.term = Term(2), .index = Index(2), .data = SharedBytes("a")}};
  EXPECT_EQ(f.node->step(append), StepResult::ok);
  const Ready at_the_follower = f.node->ready();
  EXPECT_EQ(find(at_the_follower, MessageType::app_resp), nullptr);
  const Message* work = find(at_the_follower, MessageType::storage_append);
  ASSERT_NE(work, nullptr);
  EXPECT_TRUE(std::any_of(work->responses.begin(), work->responses.end(), [](const Message& m) {
    return m.type == MessageType::app_resp && m.to == MemberId(2) && m.index == Index(2) && !m.reject;
  }));
}

TEST(AsyncStorage, EntriesAreAppliedOnceStableAndCommitted) {
  Single s(async());
  s.start_with_voters({MemberId(1)});
  (void)s.node->campaign();
  finish(s, *find(s.node->ready(), MessageType::storage_append));  // the vote
  ASSERT_EQ(s.node->state(), StateType::leader);
  EXPECT_EQ(s.node->propose(SharedBytes("a")), StepResult::ok);
  const Ready first = s.node->ready();
  EXPECT_EQ(first.entries.size(), 2u);
  EXPECT_EQ(find(first, MessageType::storage_apply), nullptr);
  EXPECT_FALSE(s.node->has_ready());
  // The next write is asked for while the first is on its way.
  EXPECT_EQ(s.node->propose(SharedBytes("b")), StepResult::ok);
  const Ready second = s.node->ready();
  ASSERT_EQ(second.entries.size(), 1u);
  EXPECT_EQ(second.entries[0].index, Index(4));
  finish(s, *find(first, MessageType::storage_append));
  const Ready third = s.node->ready();
  const Message* apply = find(third, MessageType::storage_apply);
  ASSERT_NE(apply, nullptr);
  EXPECT_EQ(apply->entries.size(), 2u);
  EXPECT_EQ(s.node->committed(), Index(3));
  EXPECT_EQ(s.node->applied(), Index(1));
  finish(s, *apply);
  EXPECT_EQ(s.node->applied(), Index(3));
  finish(s, *find(second, MessageType::storage_append));
  EXPECT_EQ(s.node->committed(), Index(4));
}

TEST(AsyncStorage, AResponseOfAnEarlierTermLeavesEntriesUnstable) {
  Single s(async());
  s.start_with_voters({MemberId(1), MemberId(2), MemberId(3)});
  const auto append = [&s](uint64_t term, uint64_t index, std::string_view data) {
    Message m;
    m.type = MessageType::app;
    m.from = MemberId(term);
    m.to = MemberId(1);
    m.term = Term(term);
    m.index = Index(index - 1);
    m.log_term = Term(1);
    m.entries = {Entry{.term = Term(term), .index = Index(index), .data = SharedBytes(data)}};
    EXPECT_EQ(s.node->step(m), StepResult::ok);
    return *find(s.node->ready(), MessageType::storage_append);
  };
  const Message first = append(2, 2, "old");
  const Message second = append(3, 2, "new");
  finish(s, first);
  EXPECT_EQ(s.node->raft().log().unstable().size(), 1u);
  EXPECT_TRUE(
      s.logger.has("ignored entry appends from a MsgStorageAppendResp message with lower term"));
  finish(s, second);
  EXPECT_TRUE(s.node->raft().log().unstable().empty());
  EXPECT_EQ((*s.storage.entries(Index(2), Index(3), kNoLimit))[0].data, SharedBytes("new"));
}

TEST(AsyncStorage, ChangesThatASnapshotContainsAreNotMadeAgain) {
  Single s(async());
  s.start_with_voters({MemberId(1), MemberId(2)});
  Snapshot snapshot;
  snapshot.metadata = {ConfState{.voters = {MemberId(1), MemberId(2), MemberId(3)}}, Index(9),
                       Term(2)};
  Message m;
  m.type = MessageType::snap;
  m.from = MemberId(2);
  m.to = MemberId(1);
  m.term = Term(2);
  m.snapshot = std::make_shared<Snapshot>(snapshot);
  EXPECT_EQ(s.node->step(m), StepResult::ok);
  // Apply is still at work on what was committed before.
  const ConfChange old{.type = ConfChangeType::remove_node, .node_id = MemberId(3)};
  EXPECT_EQ(s.node->apply_conf_change(old, Index(8)), snapshot.metadata.conf_state);
  EXPECT_EQ(s.node->apply_conf_change(old, Index(9)), snapshot.metadata.conf_state);
  EXPECT_EQ(s.node->apply_conf_change(old, Index(10)).voters,
            (std::vector<MemberId>{MemberId(1), MemberId(2)}));
}

TEST(Config, SaysWhatIsWrong) {
  const auto text = [](const Cluster::Tune& tune) {
    Single s(tune);
    return std::string(s.config.validate().message());
  };
  EXPECT_EQ(text({}), "");
  EXPECT_EQ(text([](Config& c) { c.id = kNone; }), "cannot use none as id");
  EXPECT_EQ(text([](Config& c) { c.id = kLocalApplyThread; }), "cannot use local target as id");
  EXPECT_EQ(text([](Config& c) { c.heartbeat_tick = 0; }), "heartbeat tick must be greater than 0");
  EXPECT_EQ(text([](Config& c) { c.election_tick = 1; }),
            "election tick must be greater than heartbeat tick");
  EXPECT_EQ(text([](Config& c) { c.storage = nullptr; }), "storage cannot be nil");
  EXPECT_EQ(text([](Config& c) { c.max_inflight_messages = 0; }),
            "max inflight messages must be greater than 0");
  EXPECT_EQ(text([](Config& c) { c.max_inflight_bytes = 1; }),
            "max inflight bytes must be >= max message size");
  EXPECT_EQ(text([](Config& c) { c.read_only_option = ReadOnlyOption::lease_based; }),
            "CheckQuorum must be enabled when ReadOnlyOption is ReadOnlyLeaseBased");
}

TEST(Describe, ReadStatesAndConfChanges) {
  Ready ready;
  ready.read_states = {{Index(7), SharedBytes("ab")}, {Index(8), {}}};
  EXPECT_EQ(describe(ready), "Ready MustSync=false:\nReadStates [{7 [97 98]} {8 []}]\n");
  EXPECT_EQ(describe(ConfChangeV2{.changes = {{ConfChangeType::add_node, MemberId(4)}},
                                  .context = SharedBytes("c")}),
            "transition:ConfChangeTransitionAuto changes:{type:ConfChangeAddNode node_id:4} "
            "context:\"c\"");
}

}  // namespace
}  // namespace holdfast::raft
