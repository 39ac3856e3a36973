#include "apps/holdfast-bench/latencies.h"

#include <algorithm>
#include <vector>

#include "base/random.h"
#include "gmock/gmock.h"

namespace holdfast::bench {
namespace {

TEST(Latencies, NothingIsZero) {
  Latencies latencies;
  EXPECT_EQ(latencies.count(), 0u);
  EXPECT_EQ(latencies.quantile(0.5), env::Duration(0));
  EXPECT_EQ(latencies.mean(), env::Duration(0));
}

TEST(Latencies, OneValueIsAllQuantiles) {
  Latencies latencies;
  latencies.add(env::Duration(123'456));
  for (double share : {0.0, 0.5, 1.0}) EXPECT_EQ(latencies.quantile(share), env::Duration(123'456));
  EXPECT_EQ(latencies.mean(), env::Duration(123'456));
}

// Against a sorted list, for times from nanoseconds to hours.
TEST(Latencies, QuantilesAreWithinTwoPercent) {
  Random random(7);
  Latencies latencies;
  std::vector<int64_t> all;
  for (int i = 0; i < 20'000; ++i) {
    const auto value = static_cast<int64_t>(random.below(uint64_t{1} << random.between(1, 42)));
    all.push_back(value);
    latencies.add(env::Duration(value));
  }
  std::sort(all.begin(), all.end());
  for (double share : {0.01, 0.25, 0.5, 0.9, 0.99, 0.999}) {
    const auto exact = static_cast<double>(all[static_cast<size_t>(share * static_cast<double>(all.size())) - 1]);
    const auto got = static_cast<double>(latencies.quantile(share).count());
    EXPECT_GE(got, exact) << share;
    EXPECT_LE(got, exact * 1.02 + 1) << share;
  }
  EXPECT_EQ(latencies.quantile(1).count(), all.back());
  EXPECT_EQ(latencies.max().count(), all.back());
}

TEST(Latencies, AddingOthersIsAddingTheirValues) {
  Latencies one, two, both;
  for (int i = 1; i <= 1000; ++i) {
    (i % 3 == 0 ? one : two).add(env::Duration(i * 1000));
    both.add(env::Duration(i * 1000));
  }
  one.add(two);
  EXPECT_EQ(one.count(), both.count());
  EXPECT_EQ(one.mean(), both.mean());
  EXPECT_EQ(one.max(), both.max());
  EXPECT_EQ(one.quantile(0.9), both.quantile(0.9));
}

TEST(Latencies, TheLongestTimeFits) {
  Latencies latencies;
  latencies.add(env::Duration::max());
  latencies.add(env::Duration(-5));
  EXPECT_EQ(latencies.quantile(1), env::Duration::max());
  EXPECT_EQ(latencies.quantile(0.5), env::Duration(0));
}

}  // namespace
}  // namespace holdfast::bench
