#include "os/prometheus_metrics.h"

#include <gtest/gtest.h>

#include <limits>
#include <thread>

#include "os/default_host.h"
#include "os/process_metrics.h"

namespace holdfast::os {
namespace {

TEST(GoNumber, LikeGo) {
  EXPECT_EQ(go_number(0), "0");
  EXPECT_EQ(go_number(-1), "-1");
  EXPECT_EQ(go_number(0.1 + 0.2), "0.30000000000000004");
  EXPECT_EQ(go_number(999999), "999999");
  EXPECT_EQ(go_number(1572864), "1.572864e+06");
  EXPECT_EQ(go_number(1e100), "1e+100");
  EXPECT_EQ(go_number(0.0001), "0.0001");
  EXPECT_EQ(go_number(0.00001), "1e-05");
  EXPECT_EQ(go_number(std::numeric_limits<double>::infinity()), "+Inf");
  EXPECT_EQ(go_number(std::numeric_limits<double>::quiet_NaN()), "NaN");
}

TEST(PrometheusMetrics, Page) {
  PrometheusMetrics metrics;
  metrics.gauge("b_gauge", "A \\ line\nbreak.").set(-2.5);
  metrics.counter("a_total", "Counts.", {{"z", "1"}, {"a", "q\"\\\n"}}).add(2);
  metrics.counter("a_total", "Counts.", {{"a", "0"}, {"z", "1"}}).increment();
  auto& histogram = metrics.histogram("c_seconds", "Times.", env::exponential_buckets(0.001, 2, 3),
                                      {{"op", "put"}});
  histogram.observe(0.001);  // on the bound: counts as below
  histogram.observe(0.0015);
  histogram.observe(7);
  EXPECT_EQ(metrics.render(), R"(# HELP a_total Counts.
# TYPE a_total counter
a_total{a="0",z="1"} 1
a_total{a="q\"\\\n",z="1"} 2
# HELP b_gauge A \\ line\nbreak.
# TYPE b_gauge gauge
b_gauge -2.5
# HELP c_seconds Times.
# TYPE c_seconds histogram
c_seconds_bucket{op="put",le="0.001"} 1
c_seconds_bucket{op="put",le="0.002"} 2
c_seconds_bucket{op="put",le="0.004"} 2
c_seconds_bucket{op="put",le="+Inf"} 3
c_seconds_sum{op="put"} 7.0025
c_seconds_count{op="put"} 3
)");
}

TEST(PrometheusMetrics, SameNameAndLabelsAreOneSeries) {
  PrometheusMetrics metrics;
  env::Counter& one = metrics.counter("x_total", "X.", {{"a", "1"}, {"b", "2"}});
  EXPECT_EQ(&one, &metrics.counter("x_total", "X.", {{"b", "2"}, {"a", "1"}}));
  EXPECT_NE(&one, &metrics.counter("x_total", "X.", {{"a", "1"}, {"b", "3"}}));
}

TEST(PrometheusMetrics, CountersNeverGoDown) {
  PrometheusMetrics metrics;
  env::Counter& counter = metrics.counter("x_total", "X.");
  counter.add(1.5);
  counter.add(-1);
  counter.add(2);
  EXPECT_NE(metrics.render().find("x_total 3.5\n"), std::string::npos);
}

TEST(PrometheusMetrics, OneNameHasOneType) {
  PrometheusMetrics metrics;
  metrics.counter("x_total", "X.");
  EXPECT_DEATH(metrics.gauge("x_total", "X."), "two types");
  metrics.histogram("h", "H.", {1, 2});
  EXPECT_DEATH(metrics.histogram("h", "H.", {1, 3}), "two lists of buckets");
}

TEST(PrometheusMetrics, NothingIsLostBetweenThreads) {
  PrometheusMetrics metrics;
  auto& counter = metrics.counter("x_total", "X.");
  auto& gauge = metrics.gauge("x_gauge", "X.");
  auto& histogram = metrics.histogram("x_seconds", "X.", {1, 2});
  constexpr int kRounds = 20'000;
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t)
    threads.emplace_back([&] {
      for (int i = 0; i < kRounds; ++i) {
        counter.increment();
        gauge.add(1);
        histogram.observe(1.5);
        if (i % 1000 == 0) metrics.render();
      }
    });
  for (auto& thread : threads) thread.join();
  const std::string page = metrics.render();
  EXPECT_NE(page.find("x_total 80000\n"), std::string::npos);
  EXPECT_NE(page.find("x_gauge 80000\n"), std::string::npos);
  EXPECT_NE(page.find("x_seconds_bucket{le=\"1\"} 0\n"), std::string::npos);
  EXPECT_NE(page.find("x_seconds_bucket{le=\"2\"} 80000\n"), std::string::npos);
  EXPECT_NE(page.find("x_seconds_sum 120000\n"), std::string::npos);
}

double value_of(const std::string& page, const std::string& name) {
  const size_t at = page.find("\n" + name + " ");
  EXPECT_NE(at, std::string::npos) << name;
  return at == std::string::npos ? 0 : std::stod(page.substr(at + name.size() + 2));
}

// MET-33, MET-35
TEST(ProcessMetrics, Page) {
  PrometheusMetrics metrics;
  add_process_metrics(metrics);
  metrics.render();
  const std::string page = metrics.render();
  EXPECT_GT(value_of(page, "process_resident_memory_bytes"), 1e5);
  EXPECT_GT(value_of(page, "process_virtual_memory_bytes"),
            value_of(page, "process_resident_memory_bytes"));
  EXPECT_GE(value_of(page, "process_virtual_memory_max_bytes"), value_of(page, "process_virtual_memory_bytes"));
  // The host's: nothing may have gone over its network yet.
  EXPECT_GE(value_of(page, "process_network_receive_bytes_total"), 0);
  EXPECT_GE(value_of(page, "process_network_transmit_bytes_total"), 0);
  EXPECT_GT(value_of(page, "process_start_time_seconds"), 1.6e9);
  EXPECT_GE(value_of(page, "process_open_fds"), 3);
  EXPECT_GT(value_of(page, "process_max_fds"), 3);
  EXPECT_EQ(value_of(page, "os_fd_used"), value_of(page, "process_open_fds"));
  EXPECT_EQ(value_of(page, "os_fd_limit"), value_of(page, "process_max_fds"));
  EXPECT_GE(value_of(page, "go_threads"), 1);
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
  // A sanitizer's allocator keeps no such statistics.
  EXPECT_GE(value_of(page, "go_memstats_alloc_bytes"), 0);
#else
  EXPECT_GT(value_of(page, "go_memstats_alloc_bytes"), 0);
#endif
  EXPECT_GE(value_of(page, "process_cpu_seconds_total"), 0);
  EXPECT_EQ(value_of(page, "promhttp_metric_handler_requests_total{code=\"200\"}"), 2);
  EXPECT_EQ(value_of(page, "promhttp_metric_handler_requests_total{code=\"500\"}"), 0);
  EXPECT_NE(page.find("# TYPE process_cpu_seconds_total counter\n"), std::string::npos);
  EXPECT_NE(page.find("# TYPE os_fd_used gauge\n"), std::string::npos);
}

TEST(DefaultHost, IsAnAddressOrAClearError) {
  const auto host = find_default_host();
  if (host.ok()) {
    EXPECT_NE(host->find_first_of(".:"), std::string::npos);
  } else {
    EXPECT_EQ(host.status().message(), "could not find default host");
  }
}

}  // namespace
}  // namespace holdfast::os
