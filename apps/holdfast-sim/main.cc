// holdfast-sim: runs whole clusters in virtual time, one seed after the other, and says what was violated.
#include <sys/wait.h>
#include <unistd.h>

#include <charconv>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <string_view>
#include <vector>

#include "apps/holdfast-sim/check_history.h"
#include "sim/lease_simulation.h"
#include "sim/simulation.h"

namespace {

using holdfast::sim::SimOptions;
using holdfast::sim::SimReport;

constexpr const char* kUsage =
    R"(usage: holdfast-sim (--seed=N | --seeds=A..B) [--members=N] [--hours=H] [--until=T] [--jobs=N] [--leases] [--trace]
       holdfast-sim --check-history=FILE

  --seed=N       one run
  --seeds=A..B   all from A to B
  --members=N    1 to 7; otherwise the seed says
  --hours=H      virtual hours with faults, fractions too; otherwise the seed says
  --until=T      stop at virtual second T without judging, to look at a beginning with --trace
  --jobs=N       processes at once (1)
  --leases       clients with leases instead of keys: none may end early
  --trace        what happens, on stderr
  --check-history=FILE  no run: judges what clients of a real cluster recorded (src/sim/history_file.h)

Prints a line a run. Exits 1 if something was violated.
)";

struct Flags {
  SimOptions options;
  uint64_t first = 0;
  uint64_t last = 0;
  bool has_seeds = false;
  unsigned jobs = 1;
  bool leases = false;
  std::string history;   // a file to judge, instead of runs
  std::string repeated;  // flags that a repetition needs
};

template <class T>
bool parse(std::string_view text, T& value) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  return error == std::errc() && end == text.data() + text.size();
}

bool parse_seeds(std::string_view text, Flags& flags) {
  const size_t dots = text.find("..");
  flags.has_seeds = true;
  if (dots == std::string_view::npos) {
    if (!parse(text, flags.first)) return false;
    flags.last = flags.first;
    return true;
  }
  return parse(text.substr(0, dots), flags.first) && parse(text.substr(dots + 2), flags.last) &&
         flags.first <= flags.last;
}

// Virtual time, up to a thousand years: what fits into nanoseconds with room to add.
bool parse_time(std::string_view text, double unit_seconds, holdfast::env::Duration& time) {
  constexpr double kLongest = 8e9;
  double number = 0;
  if (!parse(text, number) || !(number > 0) || !(number * unit_seconds <= kLongest)) return false;
  time = holdfast::env::Duration(static_cast<int64_t>(number * unit_seconds * 1e9));
  return true;
}

// False if it is none of ours, or its value is none of its.
bool take_flag(std::string_view arg, Flags& flags) {
  constexpr unsigned kMostJobs = 1024;
  constexpr double kSecond = 1, kHour = 3600;
  const size_t equals = arg.find('=');
  const std::string_view name = arg.substr(0, equals);
  const std::string_view value = equals == std::string_view::npos ? "" : arg.substr(equals + 1);
  if (name == "--members" || name == "--hours" || arg == "--leases") flags.repeated += " " + std::string(arg);
  if (name == "--seed" || name == "--seeds") return parse_seeds(value, flags);
  if (name == "--members")
    return parse(value, flags.options.members) && flags.options.members >= 1 && flags.options.members <= 7;
  if (name == "--hours") return parse_time(value, kHour, flags.options.chaos);
  if (name == "--until") return parse_time(value, kSecond, flags.options.until);
  if (name == "--jobs") return parse(value, flags.jobs) && flags.jobs >= 1 && flags.jobs <= kMostJobs;
  if (arg == "--leases") return flags.leases = true;
  if (arg == "--trace") return flags.options.trace = true;
  if (name != "--check-history") return false;
  flags.history = value;
  return !value.empty();
}

// What is wrong with them, or nothing.
std::string parse_flags(int argc, char** argv, Flags& flags) {
  for (int i = 1; i < argc; ++i)
    if (!take_flag(argv[i], flags)) return std::string(argv[i]) + " is not a flag, or not a value of it";
  if (!flags.history.empty()) return argc == 2 ? "" : "--check-history stands alone";
  return flags.has_seeds ? "" : "which seed?";
}

// For the last words of a process that crashes: memory errors end more than a member.
volatile uint64_t seed_under_way = 0;

void last_words(int signal) {
  char text[] = "CRASHED at seed 00000000000000000000; repeat: holdfast-sim --seed=...\n";
  uint64_t seed = seed_under_way;
  for (char* digit = text + 35; digit >= text + 16; --digit, seed /= 10) *digit = static_cast<char>('0' + seed % 10);
  (void)!write(STDOUT_FILENO, text, sizeof text - 1);
  std::signal(signal, SIG_DFL);
  std::raise(signal);
}

bool run(const Flags& flags, uint64_t seed) {
  seed_under_way = seed;
  SimOptions options = flags.options;
  options.seed = seed;
  const SimReport report =
      flags.leases ? holdfast::sim::simulate_leases(options) : holdfast::sim::simulate(options);
  std::string text = describe(report) + "\n";
  if (!report.violation.empty()) {
    text += "VIOLATION: " + report.violation + "\nrepeat: holdfast-sim --seed=" + std::to_string(seed) +
            flags.repeated + " --trace\n";
  }
  std::fwrite(text.data(), 1, text.size(), stdout);
  std::fflush(stdout);
  return report.violation.empty();
}

// Seeds first, first + step, ...
int run_share(const Flags& flags, uint64_t first, uint64_t step) {
  bool good = true;
  for (uint64_t seed = first; seed >= first && seed <= flags.last; seed += step) good = run(flags, seed) && good;
  return good ? 0 : 1;
}

}  // namespace

int main(int argc, char** argv) {
  for (int i = 1; i < argc; ++i)
    if (std::string_view(argv[i]) == "--help" || std::string_view(argv[i]) == "-h") return std::fputs(kUsage, stdout) < 0;
  Flags flags;
  if (const std::string wrong = parse_flags(argc, argv, flags); !wrong.empty()) {
    std::fputs(("holdfast-sim: " + wrong + "\n" + kUsage).c_str(), stderr);
    return 2;
  }
  if (!flags.history.empty()) return holdfast::check_history(flags.history);
  for (const int signal : {SIGSEGV, SIGABRT, SIGBUS, SIGFPE}) std::signal(signal, last_words);
  if (flags.jobs == 1) return run_share(flags, flags.first, 1);
  std::vector<pid_t> workers;
  for (unsigned i = 0; i < flags.jobs; ++i) {
    const pid_t worker = fork();
    if (worker == 0) _exit(run_share(flags, flags.first + i, flags.jobs));
    workers.push_back(worker);
  }
  bool good = true;
  for (const pid_t worker : workers) {
    int status = 0;
    waitpid(worker, &status, 0);
    good = good && WIFEXITED(status) && WEXITSTATUS(status) == 0;
  }
  return good ? 0 : 1;
}
