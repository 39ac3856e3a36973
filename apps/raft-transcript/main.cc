// raft-transcript FILE...          prints the files with the output that our raft gives
// raft-transcript --check FILE...  compares; prints what differs and exits 1 if anything does
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <string_view>
#include <vector>

#include "fmt/core.h"
#include "raft-transcript/transcript.h"

namespace {

constexpr std::string_view kUsage = "usage: raft-transcript [--check] FILE...\n";

enum class Mode { print, check };

// False if the file cannot be run, or differs.
bool run_file(const std::string& path, Mode mode) {
  std::ifstream stream(path, std::ios::binary);
  if (!stream || std::filesystem::is_directory(path)) {
    fmt::print(stderr, "{}: cannot be read\n", path);
    return false;
  }
  const std::string file{std::istreambuf_iterator<char>(stream), {}};
  const auto result = holdfast::transcript::run(file);
  if (!result.ok()) {
    fmt::print(stderr, "{}: {}\n", path, std::string(result.status().message()));
    return false;
  }
  if (mode == Mode::print) {
    fmt::print("{}", result->text);
    return true;
  }
  if (result->difference.empty()) return true;
  fmt::print("{}: differs (- expected, + ours)\n{}", path, result->difference);
  return false;
}

}  // namespace

int main(int argc, char** argv) {
  Mode mode = Mode::print;
  std::vector<std::string> files;
  for (int i = 1; i < argc; ++i) {
    const std::string argument = argv[i];
    if (argument == "--check") {
      mode = Mode::check;
    } else if (argument == "--help" || argument == "-h") {
      fmt::print("{}", kUsage);
      return 0;
    } else if (argument.size() > 1 && argument[0] == '-') {
      fmt::print(stderr, "unknown flag {}\n{}", argument, kUsage);
      return 2;
    } else {
      files.push_back(argument);
    }
  }
  if (files.empty()) {
    fmt::print(stderr, "{}", kUsage);
    return 2;
  }
  bool ok = true;
  for (const std::string& file : files) ok = run_file(file, mode) && ok;
  return ok ? 0 : 1;
}
