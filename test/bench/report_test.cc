#include "apps/holdfast-bench/report.h"

#include "gmock/gmock.h"

namespace holdfast::bench {
namespace {

Outcome two_calls() {
  Outcome outcome;
  outcome.calls = 2;
  outcome.failures = 3;
  outcome.took = std::chrono::milliseconds(500);
  outcome.latencies.add(std::chrono::microseconds(10));
  outcome.latencies.add(std::chrono::microseconds(30));
  outcome.errors["UNAVAILABLE: \"gone\""] = 3;
  return outcome;
}

TEST(Report, Json) {
  EXPECT_EQ(to_json({}, two_calls()),
            R"({"operation":"put","connections":10,"streams":50,"keySpace":10000,"keyBytes":32,"valueBytes":128,)"
            R"("calls":2,"failures":3,"seconds":0.500000,"rate":4.0,"latency":{"mean":20.0,"p50":10.1,"p90":30.0,)"
            R"("p99":30.0,"p99.9":30.0,"max":30.0},"errors":{"UNAVAILABLE: \"gone\"":3}})"
            "\n");
}

TEST(Report, Text) {
  EXPECT_EQ(to_text({}, two_calls()),
            "put: 2 in 0.500 s, 4 a second, 3 failed\n"
            "latency in us: mean 20.0, p50 10.1, p90 30.0, p99 30.0, p99.9 30.0, max 30.0\n"
            "3 x UNAVAILABLE: \"gone\"\n");
}

TEST(Outcome, KeepsAFewErrorsOfMany) {
  Outcome sum;
  for (int i = 0; i < 50; ++i) {
    Outcome one;
    one.failures = 1;
    one.errors["UNKNOWN: " + std::to_string(i)] = 1;
    sum.add(one);
  }
  EXPECT_EQ(sum.failures, 50u);
  EXPECT_EQ(sum.errors.size(), Outcome::kErrorsKept);
}

}  // namespace
}  // namespace holdfast::bench
