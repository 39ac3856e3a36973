// holdfast-bench: load for a server that speaks etcd's API. --help says how.
#include <csignal>
#include <cstdio>

#include "apps/holdfast-bench/disk.h"
#include "apps/holdfast-bench/load.h"
#include "apps/holdfast-bench/report.h"
#include "apps/holdfast-bench/watch.h"
#include "base/errors.h"
#include "fmt/format.h"
#include "os/posix_file_system.h"
#include "os/system_clock.h"

int main(int argc, char** argv) {
  using namespace holdfast;
  std::signal(SIGPIPE, SIG_IGN);
  auto line = bench::parse(std::vector<std::string>(argv + 1, argv + argc));
  if (!line.ok()) {
    fmt::print(stderr, "holdfast-bench: {}\nSee holdfast-bench --help.\n", message(line.status()));
    return 2;
  }
  if (line->help) {
    fmt::print("{}", bench::usage());
    return 0;
  }
  const bench::Options& options = line->options;
  os::SystemClock clock;
  os::PosixFileSystem files;
  absl::StatusOr<bench::Outcome> outcome = options.operation == bench::Operation::sync
                                               ? bench::run_syncs(options, files, clock)
                                           : options.operation == bench::Operation::watch
                                               ? bench::run_watch(options, clock)
                                               : bench::run_load(options, clock);
  if (!outcome.ok()) {
    fmt::print(stderr, "holdfast-bench: {}\n", message(outcome.status()));
    return 1;
  }
  fmt::print("{}", options.format == bench::ReportFormat::json ? bench::to_json(options, *outcome)
                                                               : bench::to_text(options, *outcome));
  return outcome->failures == 0 ? 0 : 1;
}
