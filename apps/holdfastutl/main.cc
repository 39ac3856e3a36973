// holdfastutl: work on the files of a member that does not run. --help says how.
#include <cstdio>
#include <string>
#include <vector>

#include "apps/holdfastutl/console.h"
#include "apps/holdfastutl/data_dir.h"
#include "apps/holdfastutl/migrate.h"
#include "apps/holdfastutl/snapshot_status.h"
#include "base/errors.h"
#include "fmt/format.h"

namespace {

using namespace holdfast;

constexpr std::string_view kUsage = R"(Usage:
  holdfastutl snapshot status FILE [-w simple|json]   check a snapshot and say what it holds
  holdfastutl defrag --data-dir DIR                   rewrite the backend without its free pages
  holdfastutl migrate --data-dir DIR [--wal-dir DIR]  give the directory back to etcd
The member must not run. A data directory of etcd needs nothing: holdfast takes it over when it starts there.
)";

struct Line {
  std::vector<std::string> words;
  utl::DataDir dir;
  std::string format = "simple";
};

// False: something is missing or not understood.
bool parse(const std::vector<std::string>& arguments, Line& line) {
  for (size_t i = 0; i < arguments.size(); ++i) {
    std::string flag = arguments[i];
    if (!flag.starts_with("-")) {
      line.words.push_back(flag);
      continue;
    }
    std::string value;
    if (const size_t equals = flag.find('='); equals != std::string::npos) {
      value = flag.substr(equals + 1);
      flag.resize(equals);
    } else if (++i < arguments.size()) {
      value = arguments[i];
    } else {
      return false;
    }
    if (flag == "--data-dir") {
      line.dir.path = value;
    } else if (flag == "--wal-dir") {
      line.dir.wal_dir = value;
    } else if (flag == "-w" || flag == "--write-out") {
      line.format = value;
    } else {
      return false;
    }
  }
  return line.format == "simple" || line.format == "json";
}

absl::Status run(const Line& line, bool& understood) {
  utl::Console console;
  const std::vector<std::string>& words = line.words;
  if (words.size() == 3 && words[0] == "snapshot" && words[1] == "status") {
    auto status = utl::snapshot_status(console, words[2]);
    if (status.ok()) fmt::print("{}", line.format == "json" ? to_json(*status) : to_text(*status));
    return status.status();
  }
  if (words.size() == 1 && !line.dir.path.empty()) {
    if (words[0] == "defrag") return utl::defragment(console, line.dir);
    if (words[0] == "migrate") return utl::migrate_to_etcd(console, line.dir);
  }
  understood = false;
  return absl::OkStatus();
}

}  // namespace

int main(int argc, char** argv) {
  const std::vector<std::string> arguments(argv + 1, argv + argc);
  if (arguments.empty() || arguments[0] == "--help" || arguments[0] == "-h" || arguments[0] == "help") {
    fmt::print("{}", kUsage);
    return 0;
  }
  Line line;
  bool understood = parse(arguments, line);
  absl::Status status;
  if (understood) status = run(line, understood);
  if (!understood) {
    fmt::print(stderr, "{}", kUsage);
    return 2;
  }
  if (status.ok()) return 0;
  fmt::print(stderr, "Error: {}\n", message(status));
  return 1;
}
