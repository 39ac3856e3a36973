#include "apps/holdfast-sim/check_history.h"

#include <cstdio>
#include <fstream>
#include <iterator>

#include "base/errors.h"
#include "fmt/format.h"
#include "sim/history_file.h"

namespace holdfast {

int check_history(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  const std::string text{std::istreambuf_iterator<char>(file), {}};
  if (!file.good() && !file.eof()) {
    std::fputs(fmt::format("{}: cannot be read\n", path).c_str(), stderr);
    return 2;
  }
  const auto run = sim::parse_history(text);
  if (!run.ok()) {
    std::fputs(fmt::format("{}: {}\n", path, message(run.status())).c_str(), stderr);
    return 2;
  }
  const sim::Verdict verdict = sim::check_run(*run);
  if (verdict.holds()) {
    std::fputs(fmt::format("good: {} operations, {} changes, {} watches, {} stores\n", run->history.size(),
                           run->truth.size(), run->watches.size(), run->stores.size())
                   .c_str(),
               stdout);
    return 0;
  }
  std::fputs(fmt::format("{}: {}\n", verdict.violated() ? "VIOLATION" : "UNDECIDED", verdict.what).c_str(), stdout);
  return 1;
}

}  // namespace holdfast
