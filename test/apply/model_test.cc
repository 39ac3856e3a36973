// Random commands, thousands of them: every answer is the oracle's; the same log gives every member the same; crashes
// lose nothing that the log holds, and entries that were applied before change nothing (PUT-16, TRP-54, TRP-57).
#include "test/apply/apply_world.h"
#include "test/apply/oracle_text.h"
#include "test/apply/random_requests.h"

namespace holdfast::apply {
namespace {

// A machine that plays a whole log again, from the beginning.
void catch_up(ApplyWorld& world, const std::vector<raft::Entry>& log, bool has_waiter) {
  for (const raft::Entry& entry : log) world.hand_in(entry, has_waiter);
}

// All compactions' deletions are done.
void settle(ApplyWorld& world) {
  for (int i = 0; i < 20; ++i) world.pass(std::chrono::milliseconds(50));
}

class Model : public testing::TestWithParam<uint64_t>, protected ApplyWorld {
 protected:
  void SetUp() override { open(); }

  void step() {
    const auto request = requests_.next(oracle_.revision(), oracle_.store.compacted);
    auto result = submit(request);
    EXPECT_EQ(text(result.get()), ask(oracle_, request)) << request.ShortDebugString();
    ASSERT_EQ(revision(), oracle_.revision()) << request.ShortDebugString();
  }
  void check_all() {
    settle(*this);
    EXPECT_EQ(hash(), oracle_.store.hash(oracle_.revision()));
    machine->leases().with([&](const lease::Lessor& lessor) {
      EXPECT_TRUE(lessor.is_consistent());
      EXPECT_EQ(lessor.size(), oracle_.leases.size());
      for (int64_t id : oracle_.leases) {
        const auto keys = lessor.keys_of(LeaseId(id));
        EXPECT_EQ(std::set<std::string>(keys.begin(), keys.end()), oracle_.keys_of(id)) << id;
      }
    });
  }

  RandomRequests requests_{GetParam()};
  KvOracle oracle_;
};

// KV-20, KV-26, TXN-09, TXN-11, MNT-07
TEST_P(Model, AnswersAreTheOracles) {
  for (int i = 0; i < 1500 && !HasFailure(); ++i) {
    step();
    if (i % 50 == 0) pass(std::chrono::milliseconds(requests_.random().between(0, 200)));
  }
  check_all();
}

// PUT-16, PUT-17, TRP-54
TEST_P(Model, MembersAgreeAndCrashesLoseNothing) {
  ApplyWorld follower;  // nobody waits there
  follower.open();
  for (int round = 0; round < 12 && !HasFailure(); ++round) {
    for (int i = 0; i < 60; ++i) {
      step();
      follower.hand_in(log.back(), false);
      if (requests_.random().chance(1, 10)) pass(std::chrono::milliseconds(60));
      if (requests_.random().chance(1, 40)) commit();
    }
    close();
    open();
    const Index consistent = machine->consistent_index();
    EXPECT_LE(consistent.value, log.size());
    for (const raft::Entry& entry : log) {
      const auto result = hand_in(entry);
      if (entry.index <= consistent) {
        EXPECT_EQ(text(result.get()), "none");
      }
    }
    check_all();
    settle(follower);
    EXPECT_EQ(hash(), follower.hash());
  }
  // Whole buckets, not only keys.
  follower.commit();
  commit();
  for (size_t bucket = 0; bucket < backend::kBucketCount; ++bucket)
    EXPECT_EQ(image->state->buckets[bucket], follower.image->state->buckets[bucket]) << bucket;
  ApplyWorld late;
  late.open();
  catch_up(late, log, false);
  settle(late);
  EXPECT_EQ(hash(), late.hash());
}

INSTANTIATE_TEST_SUITE_P(Seeds, Model, testing::Range<uint64_t>(1, 7));

}  // namespace
}  // namespace holdfast::apply
