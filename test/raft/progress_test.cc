// RAL-12, RAL-07: the window of appends on the way, and the states of a follower's progress.
#include "raft/progress.h"

#include <deque>
#include <utility>

#include "base/random.h"
#include "gtest/gtest.h"

namespace holdfast::raft {
namespace {

TEST(Inflights, BehaveAsAQueue) {
  Random random(3);
  for (int round = 0; round < 200; ++round) {
    const int max_messages = static_cast<int>(random.between(1, 20));
    const uint64_t max_bytes = random.chance(1, 2) ? 0 : random.below(200) + 1;
    Inflights inflights(max_messages, max_bytes);
    std::deque<std::pair<Index, uint64_t>> model;
    uint64_t bytes = 0;
    Index last(1);
    for (int step = 0; step < 300; ++step) {
      const bool full = model.size() == static_cast<size_t>(max_messages) ||
                        (max_bytes != 0 && bytes >= max_bytes);
      ASSERT_EQ(inflights.full(), full);
      if (!full && random.chance(2, 3)) {
        last = last + random.below(3);
        const uint64_t size = random.below(50);
        inflights.add(last, size);
        model.emplace_back(last, size);
        bytes += size;
      } else if (random.chance(1, 50)) {
        inflights.reset();
        model.clear();
        bytes = 0;
      } else {
        const Index up_to = model.empty() ? last : model[random.below(model.size())].first;
        inflights.free_up_to(up_to);
        while (!model.empty() && model.front().first <= up_to) {
          bytes -= model.front().second;
          model.pop_front();
        }
      }
      ASSERT_EQ(inflights.count(), model.size());
      ASSERT_EQ(inflights.bytes(), bytes);
    }
  }
}

TEST(InflightsDeathTest, AFullWindowTakesNothing) {
  Inflights inflights(1, 0);
  inflights.add(Index(1), 1);
  EXPECT_DEATH(inflights.add(Index(2), 1), "Full");
}

Progress fresh(uint64_t match, uint64_t next, ProgressState state) {
  Progress progress;
  progress.match = Index(match);
  progress.next = Index(next);
  progress.state = state;
  progress.inflights = Inflights(2, 0);
  if (state == ProgressState::snapshot) progress.pending_snapshot = Index(next - 1);
  return progress;
}

TEST(Progress, ProbingStartsBehindWhatIsKnown) {
  Progress progress = fresh(1, 5, ProgressState::replicate);
  progress.sent_commit = Index(4);
  progress.become_probe();
  EXPECT_EQ(progress.next, Index(2));
  EXPECT_EQ(progress.sent_commit, Index(1));

  // A snapshot that was sent is taken to have arrived.
  progress = fresh(1, 11, ProgressState::snapshot);
  progress.become_probe();
  EXPECT_EQ(progress.next, Index(11));
  EXPECT_EQ(progress.pending_snapshot, Index(0));

  // Unless it is known not to have.
  progress = fresh(1, 11, ProgressState::snapshot);
  progress.pending_snapshot = Index(0);
  progress.become_probe();
  EXPECT_EQ(progress.next, Index(2));
}

TEST(Progress, AProbePausesUntilAnswered) {
  Progress progress = fresh(0, 5, ProgressState::probe);
  progress.sent_entries(0, 0);
  EXPECT_FALSE(progress.paused());
  progress.sent_entries(3, 30);
  EXPECT_TRUE(progress.paused());
  EXPECT_EQ(progress.next, Index(5));
  EXPECT_TRUE(progress.maybe_update(Index(7)));
  EXPECT_FALSE(progress.paused());
  EXPECT_EQ(progress.next, Index(8));
}

TEST(Progress, ReplicationPausesWithAFullWindow) {
  Progress progress = fresh(0, 1, ProgressState::replicate);
  progress.sent_entries(2, 20);
  EXPECT_EQ(progress.next, Index(3));
  EXPECT_FALSE(progress.paused());
  progress.sent_entries(1, 10);
  EXPECT_TRUE(progress.paused());
}

TEST(Progress, StaleRefusalsChangeNothing) {
  struct Case {
    ProgressState state;
    uint64_t match, next, rejected, hint;
    bool changed;
    uint64_t next_after;
  };
  for (const Case& c :
       std::initializer_list<Case>{{ProgressState::replicate, 5, 10, 5, 5, false, 10},
                                   {ProgressState::replicate, 5, 10, 4, 4, false, 10},
                                   {ProgressState::replicate, 5, 10, 9, 9, true, 6},
                                   {ProgressState::probe, 0, 0 + 1, 0, 0, true, 1},
                                   {ProgressState::probe, 0, 10, 5, 5, false, 10},
                                   {ProgressState::probe, 0, 10, 9, 9, true, 9},
                                   {ProgressState::probe, 0, 10, 9, 2, true, 3},
                                   {ProgressState::probe, 0, 10, 9, 0, true, 1},
                                   {ProgressState::probe, 6, 10, 9, 2, true, 7}}) {
    Progress progress = fresh(c.match, c.next, c.state);
    EXPECT_EQ(progress.maybe_decrease_to(Index(c.rejected), Index(c.hint)), c.changed);
    EXPECT_EQ(progress.next, Index(c.next_after));
    EXPECT_LT(progress.match, progress.next);
  }
}

TEST(Progress, ACommitIndexIsSentOnce) {
  Progress progress = fresh(4, 6, ProgressState::replicate);
  progress.sent_commit = Index(3);
  EXPECT_FALSE(progress.can_bump_commit(Index(3)));
  EXPECT_TRUE(progress.can_bump_commit(Index(4)));
  progress.sent_commit = Index(5);
  // All that the follower can have is covered.
  EXPECT_FALSE(progress.can_bump_commit(Index(9)));
}

TEST(Progress, DescribesItself) {
  Progress progress = fresh(3, 5, ProgressState::replicate);
  progress.recent_active = true;
  EXPECT_EQ(describe(progress), "StateReplicate match=3 next=5");
  progress.inflights.add(Index(4), 1);
  progress.inflights.add(Index(5), 1);
  progress.append_paused = true;
  progress.recent_active = false;
  progress.is_learner = true;
  EXPECT_EQ(describe(progress),
            "StateReplicate match=3 next=5 learner paused inactive inflight=2[full]");
  progress.become_snapshot(Index(9));
  EXPECT_EQ(describe(progress),
            "StateSnapshot match=3 next=10 learner paused pendingSnap=9 inactive");
}

}  // namespace
}  // namespace holdfast::raft
