#include "apps/holdfast-bench/report.h"

#include "base/log.h"
#include "fmt/format.h"

namespace holdfast::bench {

namespace {

constexpr std::pair<const char*, double> kQuantiles[] = {
    {"p50", 0.5}, {"p90", 0.9}, {"p99", 0.99}, {"p99.9", 0.999}};

double microseconds(env::Duration d) { return static_cast<double>(d.count()) / 1e3; }
double seconds(env::Duration d) { return static_cast<double>(d.count()) / 1e9; }

}  // namespace

std::string to_text(const Options& options, const Outcome& outcome) {
  std::string text = fmt::format("{}: {} in {:.3f} s, {:.0f} a second, {} failed\n", name_of(options.operation),
                                 outcome.calls, seconds(outcome.took), outcome.rate(), outcome.failures);
  text += fmt::format("latency in us: mean {:.1f}", microseconds(outcome.latencies.mean()));
  for (const auto& [name, share] : kQuantiles)
    text += fmt::format(", {} {:.1f}", name, microseconds(outcome.latencies.quantile(share)));
  text += fmt::format(", max {:.1f}\n", microseconds(outcome.latencies.max()));
  for (const auto& [error, times] : outcome.errors) text += fmt::format("{} x {}\n", times, error);
  return text;
}

std::string to_json(const Options& options, const Outcome& outcome) {
  std::string json = fmt::format(
      R"({{"operation":"{}","connections":{},"streams":{},"keySpace":{},"keyBytes":{},"valueBytes":{},)"
      R"("calls":{},"failures":{},"seconds":{:.6f},"rate":{:.1f},"latency":{{"mean":{:.1f})",
      name_of(options.operation), options.connections, options.streams, options.key_space,
      options.key_bytes, options.value_bytes, outcome.calls, outcome.failures, seconds(outcome.took),
      outcome.rate(), microseconds(outcome.latencies.mean()));
  for (const auto& [name, share] : kQuantiles)
    json += fmt::format(R"(,"{}":{:.1f})", name, microseconds(outcome.latencies.quantile(share)));
  json += fmt::format(R"(,"max":{:.1f}}},"errors":{{)", microseconds(outcome.latencies.max()));
  const char* comma = "";
  for (const auto& [error, times] : outcome.errors) {
    json += comma;
    append_json_string(json, error);
    json += fmt::format(":{}", times);
    comma = ",";
  }
  return json + "}}\n";
}

}  // namespace holdfast::bench
