// Configurations and their changes (Raft thesis 4; RAL-13, RAL-14).
#include "raft/confchange.h"

#include "base/random.h"
#include "gtest/gtest.h"

namespace holdfast::raft {
namespace {

ConfChangeSingle random_change(Random& random) {
  return {static_cast<ConfChangeType>(random.below(4)), MemberId(random.below(6) + 1)};
}

void adopt(ProgressTracker& tracker, Configuration next) {
  tracker.config = std::move(next.config);
  tracker.progress = std::move(next.progress);
}

// What a ConfState says can be built from nothing, and says the same again.
void check_restore(const ProgressTracker& tracker) {
  const ConfState state = conf_state(tracker.config);
  const auto restored = restore_configuration(tracker.emptied(), Index(10), state);
  ASSERT_TRUE(restored.ok()) << restored.status();
  EXPECT_EQ(restored->config, tracker.config);
  EXPECT_EQ(restored->progress.size(), tracker.progress.size());
  for (const auto& [id, progress] : restored->progress) {
    ASSERT_TRUE(tracker.progress.contains(id));
    EXPECT_EQ(progress.is_learner, tracker.progress.find(id)->is_learner);
  }
}

TEST(ConfChange, AnySequenceOfChangesKeepsTheConfigurationSound) {
  Random random(11);
  int changed = 0;
  for (int round = 0; round < 500; ++round) {
    ProgressTracker tracker(10, 0);
    const ConfChangeSingle first{ConfChangeType::add_node, MemberId(1)};
    adopt(tracker, *Changer(tracker, Index(1)).simple({&first, 1}));
    for (int step = 0; step < 30; ++step) {
      const Changer changer(tracker, Index(10));
      std::vector<ConfChangeSingle> changes;
      for (uint64_t i = random.below(4); i > 0; --i) changes.push_back(random_change(random));
      absl::StatusOr<Configuration> next =
          random.chance(1, 3)   ? changer.leave_joint()
          : random.chance(1, 2) ? changer.simple(changes)
                                : changer.enter_joint(Changer::AutoLeave::yes, changes);
      if (!next.ok()) continue;
      ++changed;
      const MajorityConfig before = tracker.config.voters.incoming;
      adopt(tracker, *std::move(next));
      ASSERT_FALSE(tracker.config.voters.incoming.empty());
      // One step, or both halves: any old quorum and any new one have a member in common.
      if (!tracker.config.joint()) {
        size_t differ = 0;
        for (MemberId id : before) differ += tracker.config.voters.incoming.contains(id) ? 0 : 1;
        for (MemberId id : tracker.config.voters.incoming) differ += before.contains(id) ? 0 : 1;
        ASSERT_LE(differ, 1u);
      } else {
        ASSERT_FALSE(tracker.config.voters.outgoing.empty());
      }
      check_restore(tracker);
    }
  }
  EXPECT_GT(changed, 1000);
}

TEST(ConfChange, JointConsensusIsUsedWhereItMustBe) {
  ConfChangeV2 change;
  EXPECT_TRUE(leaves_joint(change));
  change.changes = {{ConfChangeType::add_node, MemberId(1)}};
  EXPECT_FALSE(leaves_joint(change));
  EXPECT_EQ(joint_entry(change), JointEntry::none);
  change.changes.push_back({ConfChangeType::add_node, MemberId(2)});
  EXPECT_EQ(joint_entry(change), JointEntry::leave_automatically);
  change.transition = ConfChangeTransition::joint_explicit;
  EXPECT_EQ(joint_entry(change), JointEntry::leave_explicitly);
  change.changes.pop_back();
  EXPECT_EQ(joint_entry(change), JointEntry::leave_explicitly);
  change.transition = ConfChangeTransition::joint_implicit;
  EXPECT_EQ(joint_entry(change), JointEntry::leave_automatically);
}

TEST(ConfChange, ATextSaysAChange) {
  const auto changes = conf_changes_from_string(" v1 l2 r3 u18446744073709551615 ");
  ASSERT_TRUE(changes.ok());
  EXPECT_EQ(conf_changes_to_string(*changes), "v1 l2 r3 u18446744073709551615");
  EXPECT_TRUE(conf_changes_from_string("")->empty());
  for (const char* wrong : {"v", "x1", "v1  v2", "va", "v99999999999999999999"})
    EXPECT_FALSE(conf_changes_from_string(wrong).ok()) << wrong;
}

TEST(ConfChange, TheOrderOfMembersDoesNotMatter) {
  ConfState a{.voters = {MemberId(1), MemberId(2)}, .learners = {MemberId(3)}};
  ConfState b{.voters = {MemberId(2), MemberId(1)}, .learners = {MemberId(3)}};
  EXPECT_TRUE(equivalent(a, b));
  b.auto_leave = true;
  EXPECT_FALSE(equivalent(a, b));
  b = a;
  b.voters.emplace_back(2);
  EXPECT_FALSE(equivalent(a, b));
}

}  // namespace
}  // namespace holdfast::raft
