// RAL-11, RAL-13: what majorities agree on, against the definition spelled out.
#include "raft/quorum.h"

#include <map>
#include <set>

#include "base/random.h"
#include "gtest/gtest.h"

namespace holdfast::raft {
namespace {

using Acks = std::map<MemberId, Index>;
using Votes = std::map<MemberId, bool>;

MajorityConfig random_config(Random& random) {
  MajorityConfig config;
  const uint64_t n = random.below(10);
  for (uint64_t i = 0; i < n; ++i) config.insert(MemberId(random.below(14) + 1));
  return config;
}

// The highest index that more than half have.
Index committed_naively(const MajorityConfig& config, const Acks& acks) {
  if (config.empty()) return kInfiniteIndex;
  for (Index index(30);; --index) {
    size_t have = 0;
    for (MemberId id : config) have += acks.contains(id) && acks.at(id) >= index ? 1 : 0;
    if (index == Index(0) || have * 2 > config.size()) return index;
  }
}

TEST(Quorum, CommittedIndexIsWhatMoreThanHalfHave) {
  Random random(1);
  for (int round = 0; round < 20'000; ++round) {
    const MajorityConfig a = random_config(random);
    const MajorityConfig b = random_config(random);
    Acks acks;
    for (uint64_t id = 1; id <= 14; ++id) {
      if (random.chance(3, 4)) acks[MemberId(id)] = Index(random.below(30));
    }
    const auto acked = [&acks](MemberId id) -> std::optional<Index> {
      return acks.contains(id) ? std::optional<Index>(acks.at(id)) : std::nullopt;
    };
    ASSERT_EQ(a.committed_index(acked), committed_naively(a, acks));
    ASSERT_EQ((JointConfig{a, b}.committed_index(acked)),
              std::min(committed_naively(a, acks), committed_naively(b, acks)));
  }
}

// Tries all ways in which the missing votes may come.
std::set<bool> outcomes(const JointConfig& config, const Votes& votes) {
  std::vector<MemberId> missing;
  for (MemberId id : config.ids()) {
    if (!votes.contains(id)) missing.push_back(id);
  }
  std::set<bool> seen;
  for (uint64_t bits = 0; bits < uint64_t{1} << missing.size(); ++bits) {
    Votes all = votes;
    for (size_t i = 0; i < missing.size(); ++i) all[missing[i]] = (bits >> i & 1) != 0;
    bool won = true;
    for (const MajorityConfig* half : {&config.incoming, &config.outgoing}) {
      size_t granted = 0;
      for (MemberId id : *half) granted += all.at(id) ? 1 : 0;
      won = won && (half->empty() || granted * 2 > half->size());
    }
    seen.insert(won);
  }
  return seen;
}

TEST(Quorum, VoteIsDecidedWhenTheMissingVotesCannotChangeIt) {
  Random random(2);
  for (int round = 0; round < 3'000; ++round) {
    const JointConfig config{random_config(random),
                             random.chance(1, 2) ? random_config(random) : MajorityConfig()};
    if (config.ids().size() > 8) continue;
    Votes votes;
    for (MemberId id : config.ids()) {
      if (random.chance(2, 3)) votes[id] = random.chance(1, 2);
    }
    const VoteResult result = config.vote_result([&votes](MemberId id) -> std::optional<bool> {
      return votes.contains(id) ? std::optional<bool>(votes.at(id)) : std::nullopt;
    });
    const std::set<bool> possible = outcomes(config, votes);
    // A joint vote may be called pending when only one half could still be lost by votes the other
    // half needs.
    if (result == VoteResult::won) {
      ASSERT_EQ(possible, std::set<bool>{true});
    } else if (result == VoteResult::lost) {
      ASSERT_EQ(possible, std::set<bool>{false});
    } else if (!config.joint()) {
      ASSERT_EQ(possible.size(), 2u);
    }
  }
}

TEST(Quorum, SetsAreOrderedAndWithoutRepetition) {
  MemberSet set({MemberId(3), MemberId(1), MemberId(3), MemberId(10)});
  EXPECT_EQ(describe(set), "(1 3 a)");
  set.insert(MemberId(2));
  set.insert(MemberId(2));
  set.erase(MemberId(9));
  set.erase(MemberId(3));
  EXPECT_EQ(describe(set), "(1 2 a)");
  EXPECT_TRUE(set.contains(MemberId(10)));
  EXPECT_FALSE(set.contains(MemberId(3)));
}

}  // namespace
}  // namespace holdfast::raft
