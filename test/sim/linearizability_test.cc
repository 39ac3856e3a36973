// The judge must be judged: histories known to be good pass, histories known to be bad don't.
#include "sim/linearizability.h"

#include <algorithm>
#include <map>
#include <vector>

#include "base/random.h"
#include "gtest/gtest.h"
#include "sim/linearizability_search.h"
#include "test/sim/kv_ops.h"

namespace holdfast::sim {
namespace {

KvOp get_serializable(std::string key) {
  KvOp op = get(std::move(key));
  op.serializable = true;
  return op;
}

KvOp compact(int64_t revision) {
  KvOp op;
  op.kind = KvKind::compact;
  op.revision = revision;
  return op;
}

KvOp get_at(std::string key, int64_t revision) {
  KvOp op = get(std::move(key));
  op.revision = revision;
  return op;
}

KvOp put_if_absent(std::string key, std::string value) {
  KvOp op;
  op.kind = KvKind::txn;
  op.compares.push_back({key, KvCompare::Target::version, KvCompare::Result::equal, 0, {}});
  op.then_ops.push_back(put(key, std::move(value)));
  op.else_ops.push_back(get(key));
  return op;
}

// A store that answers as the model does, with the test saying when.
class Script {
 public:
  size_t ask(int client, KvOp op) {
    ops_.push_back(op);
    return recorder_.invoke(client, MemberId(1), std::move(op));
  }
  KvResult run(size_t entry) { return results_[entry] = model_.apply(ops_[entry]); }
  void answer(size_t entry) { recorder_.finish(entry, Outcome::ok, results_[entry]); }
  void answer(size_t entry, KvResult result) { recorder_.finish(entry, Outcome::ok, std::move(result)); }
  void lose(size_t entry) { recorder_.finish(entry, Outcome::unknown); }
  void end(size_t entry, Outcome outcome) { recorder_.finish(entry, outcome); }
  // Asked, done and answered at once.
  KvResult whole(int client, KvOp op) {
    const size_t entry = ask(client, std::move(op));
    KvResult result = run(entry);
    answer(entry);
    return result;
  }
  Verdict check(const LinearizabilityLimits& limits = {}, const ChangesByRevision& changes = {}) const {
    return check_linearizable(recorder_.history(), limits, changes);
  }
  KvModel& model() { return model_; }

 private:
  HistoryRecorder recorder_;
  KvModel model_;
  std::vector<KvOp> ops_;
  std::map<size_t, KvResult> results_;
};

TEST(Linearizability, NothingHappened) { EXPECT_TRUE(check_linearizable({}).holds()); }

TEST(Linearizability, OneAfterTheOther) {
  Script s;
  s.whole(1, put("a", "1"));
  s.whole(2, get("a"));
  s.whole(1, put_if_absent("a", "2"));
  s.whole(2, put_if_absent("b", "3"));
  s.whole(2, erase("a"));
  s.whole(2, erase("nothing"));
  s.whole(3, get("a"));
  EXPECT_TRUE(s.check().holds());
}

TEST(Linearizability, ConcurrentOnesInAnyOrder) {
  Script s;
  const size_t first = s.ask(1, put("a", "1"));
  const size_t second = s.ask(2, put("a", "2"));
  s.run(second);
  s.run(first);
  s.answer(first);
  s.answer(second);
  s.whole(3, get("a"));
  EXPECT_TRUE(s.check().holds());
}

TEST(Linearizability, AStaleReadIsFound) {
  Script s;
  s.whole(1, put("a", "1"));
  const size_t probe = s.ask(2, get("a"));
  const KvResult before = s.run(probe);
  s.answer(probe);
  s.whole(1, put("a", "2"));
  const size_t late = s.ask(2, get("a"));
  s.answer(late, before);
  const Verdict verdict = s.check();
  EXPECT_TRUE(verdict.violated());
  EXPECT_NE(verdict.what.find("older"), std::string::npos) << verdict.what;
}

TEST(Linearizability, TheSameReadMayBeSerializable) {
  Script s;
  s.whole(1, put("a", "1"));
  const KvResult before = s.model().read(get("a"), s.model().revision());
  s.whole(1, put("a", "2"));
  s.answer(s.ask(2, get_serializable("a")), before);
  EXPECT_TRUE(s.check().holds());
}

TEST(Linearizability, ASerializableReadOfWhatNeverWasIsFound) {
  Script s;
  s.whole(1, put("a", "1"));
  KvResult wrong = s.model().read(get("a"), s.model().revision());
  wrong.pairs[0].value = "x";
  s.answer(s.ask(2, get_serializable("a")), wrong);
  EXPECT_TRUE(s.check().violated());
}

TEST(Linearizability, ALostUpdateIsFound) {
  Script s;
  s.whole(1, put("a", "1"));
  const int64_t before = s.model().revision();
  s.whole(2, put("a", "2"));
  s.model().rollback(before);
  // Another change takes the same revision.
  s.whole(1, put("b", "3"));
  EXPECT_TRUE(s.check().violated());
}

TEST(Linearizability, AnAcknowledgedWriteThatVanishedIsFound) {
  Script s;
  s.whole(1, put("a", "1"));
  const int64_t revision = s.model().revision();
  KvResult nothing;
  nothing.revision = revision;
  s.answer(s.ask(2, get("a")), nothing);
  EXPECT_TRUE(s.check().violated());
}

TEST(Linearizability, AnUnknownWriteMayHaveHappened) {
  for (const bool happened : {true, false}) {
    Script s;
    s.whole(1, put("a", "1"));
    const size_t lost = s.ask(2, put("a", "2"));
    if (happened) s.run(lost);
    s.lose(lost);
    s.whole(1, put("b", "3"));
    s.whole(1, get("a"));
    EXPECT_TRUE(s.check().holds()) << happened << s.check().what;
  }
}

TEST(Linearizability, AnUnknownWriteMayHappenMuchLater) {
  Script s;
  s.whole(1, put("a", "1"));
  const size_t lost = s.ask(2, put("a", "2"));
  s.lose(lost);
  s.whole(1, get("a"));
  s.whole(1, put("a", "3"));
  s.run(lost);
  s.whole(1, get("a"));
  EXPECT_TRUE(s.check().holds()) << s.check().what;
}

TEST(Linearizability, AnUnknownWriteHappensOnlyOnce) {
  Script s;
  const size_t lost = s.ask(2, put("a", "2"));
  s.run(lost);
  s.lose(lost);
  s.whole(1, put("a", "3"));
  s.model().apply(put("a", "2"));  // a second time
  s.whole(1, get("a"));
  EXPECT_TRUE(s.check().violated());
}

TEST(Linearizability, AnUnknownWriteDoesNotHappenBeforeItWasAsked) {
  Script s;
  s.model().apply(put("a", "2"));  // nobody yet
  s.whole(1, get("a"));
  s.lose(s.ask(2, put("a", "2")));
  EXPECT_TRUE(s.check().violated());
}

TEST(Linearizability, ARefusedWriteNeverHappens) {
  Script s;
  const size_t refused = s.ask(2, put("a", "2"));
  s.run(refused);
  s.end(refused, Outcome::refused);
  s.whole(1, get("a"));
  EXPECT_TRUE(s.check().violated());
}

TEST(Linearizability, WhichOfTwoUnknownOnesIsToldByLaterReads) {
  Script s;
  const size_t one = s.ask(1, put("a", "1"));
  const size_t two = s.ask(2, put("a", "2"));
  s.run(two);
  s.lose(one);
  s.lose(two);
  s.whole(3, put("b", "x"));
  const KvResult seen = s.whole(3, get("a"));
  ASSERT_EQ(seen.pairs.at(0).value, "2");
  EXPECT_TRUE(s.check().holds()) << s.check().what;
}

// Two orders that lead to the same state are not the same to a read of the past.
TEST(Linearizability, WhichCameFirstIsToldByReadsOfThePast) {
  for (const bool possible : {true, false}) {
    Script s;
    std::vector<size_t> lost;
    for (KvOp op : {put("a", "1"), put("b", "1"), put("c", "1"), erase("a", "d"), put("e", "1")})
      lost.push_back(s.ask(static_cast<int>(lost.size()), std::move(op)));
    for (const size_t i : {2, 1, 0, 3, 4}) s.run(lost[i]);
    for (const size_t entry : lost) s.lose(entry);
    const KvResult absent = s.whole(9, get_at("a", 2));
    for (const char* key : {"b", "e"}) s.whole(9, get_at(key, 2));
    if (!possible) s.answer(s.ask(9, get_at("c", 2)), absent);
    EXPECT_EQ(s.check().holds(), possible) << s.check().what;
  }
}

// What a store says of its changes decides what answers leave open.
TEST(Linearizability, ChangesRuleOutOrders) {
  Script s;
  const size_t lost = s.ask(1, put_if_absent("a", "1"));
  s.run(lost);
  s.lose(lost);
  s.whole(2, put("b", "2"));
  const auto changed = [](std::string key, std::string value) {
    return WatchEvent{WatchEvent::Type::put, std::move(key), std::move(value), 2, 0};
  };
  EXPECT_TRUE(s.check({}, {{2, {changed("a", "1")}}}).holds());
  EXPECT_TRUE(s.check({}, {{2, {changed("a", "3")}}}).violated());
  EXPECT_TRUE(s.check({}, {{2, {changed("a", "1"), changed("c", "1")}}}).violated());
  EXPECT_TRUE(s.check({}, {{3, {changed("b", "3")}}}).violated());
}

TEST(Linearizability, BothBranchesOfAnUnknownTransaction) {
  Script s;
  const size_t one = s.ask(1, put_if_absent("a", "1"));
  const size_t two = s.ask(2, put_if_absent("a", "2"));
  s.run(one);
  s.run(two);
  s.lose(one);
  s.lose(two);
  s.whole(3, get("a"));
  EXPECT_TRUE(s.check().holds()) << s.check().what;
}

TEST(Linearizability, TwoWinnersOfOneRaceAreFound) {
  Script s;
  const size_t one = s.ask(1, put_if_absent("a", "1"));
  const size_t two = s.ask(2, put_if_absent("a", "2"));
  s.run(one);
  s.answer(one);
  KvResult also = s.run(two);
  also.succeeded = true;
  also.revision += 1;
  also.children = {KvResult{}};
  s.answer(two, also);
  EXPECT_TRUE(s.check().violated());
}

TEST(Linearizability, CompactionsAreNotUndone) {
  Script s;
  s.whole(1, put("a", "1"));
  s.whole(1, put("a", "2"));
  s.whole(1, put("a", "3"));
  const size_t compaction = s.ask(1, compact(3));
  s.answer(compaction, {});
  const size_t refused = s.ask(2, get_at("a", 2));
  s.end(refused, Outcome::compacted);
  EXPECT_TRUE(s.check().holds()) << s.check().what;
  KvResult read = s.model().read(get("a"), 2);
  s.answer(s.ask(2, get_at("a", 2)), read);
  EXPECT_TRUE(s.check().violated());
}

TEST(Linearizability, ACompactionThatNobodyAskedForIsFound) {
  Script s;
  s.whole(1, put("a", "1"));
  s.whole(1, put("a", "2"));
  s.end(s.ask(2, get_at("a", 2)), Outcome::compacted);
  EXPECT_TRUE(s.check().violated());
}

TEST(Linearizability, NonsenseIsRefusedAtOnce) {
  Script s;
  KvResult far;
  far.revision = int64_t{1} << 40;
  s.answer(s.ask(1, get("a")), far);
  EXPECT_TRUE(s.check().violated());
}

// Random concurrent clients of a correct store: each operation happens somewhere between question and answer, some
// answers are lost, some lost ones happen late or never.
struct RandomRun {
  History history;
  std::vector<size_t> answered;
};

KvOp random_op(Random& random, int client, int n) {
  const std::string key(1, static_cast<char>('a' + random.below(4)));
  const std::string value = std::to_string(client) + "." + std::to_string(n);
  switch (random.below(8)) {
    case 0: return get(key);
    case 1: return get_serializable(key);
    case 2: return erase(key);
    case 3: return put_if_absent(key, value);
    case 4: {
      KvOp op = erase("a");
      op.end = "c";
      op.prev_kv = true;
      return op;
    }
    case 5: {
      KvOp op = get("a");
      op.end = std::string(1, '\0');
      op.limit = 2;
      return op;
    }
    default: {
      KvOp op = put(key, value);
      op.prev_kv = random.below(2) == 0;
      return op;
    }
  }
}

RandomRun random_run(uint64_t seed, int operations) {
  Random random(seed);
  HistoryRecorder recorder;
  KvModel model;
  struct Client {
    bool busy = false;
    bool done = false;  // happened
    size_t entry = 0;
    KvOp op;
    KvResult result;
  };
  std::vector<Client> clients(5);
  std::vector<KvOp> late;
  RandomRun run;
  for (int n = 0; n < operations;) {
    if (!late.empty() && random.below(10) == 0) {
      model.apply(late.back());
      late.pop_back();
    }
    const auto c = static_cast<size_t>(random.below(clients.size()));
    Client& client = clients[c];
    if (!client.busy) {
      client = {true, false, 0, random_op(random, static_cast<int>(c), n++), {}};
      client.entry = recorder.invoke(static_cast<int>(c), MemberId(1 + random.below(3)), client.op);
    } else if (!client.done && random.below(10) == 0) {
      recorder.finish(client.entry, Outcome::unknown);
      if (random.below(2) == 0 && client.op.writes()) late.push_back(client.op);
      client.busy = false;
    } else if (!client.done) {
      client.result = model.apply(client.op);
      client.done = true;
    } else if (random.below(12) == 0) {
      recorder.finish(client.entry, Outcome::unknown);
      client.busy = false;
    } else {
      recorder.finish(client.entry, Outcome::ok, client.result);
      run.answered.push_back(client.entry);
      client.busy = false;
    }
  }
  run.history = recorder.history();
  return run;
}

TEST(Linearizability, RandomGoodHistoriesHold) {
  for (uint64_t seed = 1; seed <= 300; ++seed) {
    const Verdict verdict = check_linearizable(random_run(seed, 80).history);
    EXPECT_TRUE(verdict.holds()) << "seed " << seed << ": " << verdict.what;
  }
}

// One answer changed in a way that no order explains.
TEST(Linearizability, RandomBadHistoriesAreFound) {
  int tried = 0;
  for (uint64_t seed = 1; seed <= 300; ++seed) {
    RandomRun run = random_run(seed, 80);
    Random random(seed * 7);
    // A read that shows a value which nobody wrote: always wrong.
    std::vector<size_t> reads;
    for (size_t entry : run.answered)
      if (run.history[entry].op.kind == KvKind::range && !run.history[entry].result.pairs.empty())
        reads.push_back(entry);
    if (reads.empty()) continue;
    HistoryEntry& entry = run.history[reads[random.below(reads.size())]];
    KvPair& pair = entry.result.pairs[random.below(entry.result.pairs.size())];
    switch (random.below(4)) {
      case 0: pair.value += "?"; break;
      case 1: ++pair.version; break;
      case 2: --pair.create_revision; break;
      default: entry.result.pairs.clear(); break;
    }
    ++tried;
    EXPECT_TRUE(check_linearizable(run.history).violated()) << "seed " << seed << ": " << describe(entry);
  }
  EXPECT_GT(tried, 250);
}

// An acknowledged change that the store forgot: everything after it was done without it.
TEST(Linearizability, RandomHistoriesWithAForgottenWriteAreFound) {
  int found = 0;
  for (uint64_t seed = 1; seed <= 100; ++seed) {
    Random random(seed);
    Script s;
    const int at = 3 + static_cast<int>(random.below(10));
    int64_t forgotten = 0;
    for (int n = 0; n < 25; ++n) {
      s.whole(n % 3, put(std::string(1, static_cast<char>('a' + random.below(3))), std::to_string(n)));
      if (n == at) {
        forgotten = s.model().revision();
        s.model().rollback(forgotten - 1);
      }
    }
    ASSERT_GT(forgotten, 0);
    found += s.check().violated();
  }
  EXPECT_EQ(found, 100);
}

// Small histories, good ones and broken ones: the fast judge and the one that tries every order agree.
TEST(Linearizability, AgreesWithTheGeneralSearch) {
  int violated = 0;
  for (uint64_t seed = 1; seed <= 2000; ++seed) {
    RandomRun run = random_run(seed, 12);
    Random random(seed * 13);
    History& history = run.history;
    // Revisions make most mistakes obvious: swap the answers of two operations of one kind.
    if (seed % 2 == 0 && run.answered.size() >= 2) {
      HistoryEntry& a = history[run.answered[random.below(run.answered.size())]];
      HistoryEntry& b = history[run.answered[random.below(run.answered.size())]];
      if (a.op.kind == b.op.kind) std::swap(a.result, b.result);
    }
    std::erase_if(history, [](const HistoryEntry& e) { return e.op.serializable; });
    const Verdict fast = check_linearizable(history);
    const Verdict slow = search_linearization(history);
    violated += slow.violated();
    EXPECT_EQ(fast.violated(), slow.violated()) << "seed " << seed << ": " << fast.what;
  }
  EXPECT_GT(violated, 100);
}

TEST(Linearizability, ASearchThatGrowsTooLargeIsGivenUp) {
  Script s;
  std::vector<size_t> lost;
  for (int n = 0; n < 24; ++n) lost.push_back(s.ask(n, put("k" + std::to_string(n), "v")));
  for (const size_t entry : lost) {
    s.run(entry);
    s.lose(entry);
  }
  s.whole(99, get("zz"));
  EXPECT_TRUE(s.check().holds()) << s.check().what;
  LinearizabilityLimits tight;
  tight.states_max = 10;
  EXPECT_EQ(s.check(tight).kind, Verdict::Kind::undecided);
}

}  // namespace
}  // namespace holdfast::sim
