// A fuzz target in the normal build: its corpus, and what a fixed seed makes of it, for a few seconds of every test run. The
// search itself is `make fuzz`.
#include <algorithm>
#include <csignal>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

#include "base/random.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size);

namespace {

constexpr size_t kInputBytesMax = 4096;
constexpr int kMutants = 3000;

// Where a crash can be looked at: the input under way.
std::string current;

void write_current() {
  std::FILE* file = std::fopen("failed-input", "wb");
  if (file == nullptr) return;
  std::fwrite(current.data(), 1, current.size(), file);
  std::fclose(file);
}

void run(const std::string& input) {
  current = input;
  LLVMFuzzerTestOneInput(reinterpret_cast<const uint8_t*>(input.data()), input.size());
}

std::vector<std::string> read_corpus(const char* folder) {
  std::vector<std::filesystem::path> paths;
  if (std::filesystem::is_directory(folder))
    for (const auto& entry : std::filesystem::directory_iterator(folder)) paths.push_back(entry.path());
  std::sort(paths.begin(), paths.end());
  std::vector<std::string> corpus;
  for (const auto& path : paths) {
    std::ifstream file(path, std::ios::binary);
    corpus.emplace_back(std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>());
  }
  return corpus;
}

// Bytes changed, cut out, doubled, or taken from elsewhere.
void mutate(std::string& input, const std::vector<std::string>& corpus, holdfast::Random& random) {
  const auto place = [&] { return static_cast<size_t>(random.below(input.size() + 1)); };
  const auto part = [&](const std::string& from) {
    const auto begin = static_cast<size_t>(random.below(from.size() + 1));
    return from.substr(begin, static_cast<size_t>(random.below(40)));
  };
  switch (random.below(6)) {
    case 0:
      if (!input.empty()) input[random.below(input.size())] = static_cast<char>(random.below(256));
      break;
    case 1:
      if (!input.empty()) input[random.below(input.size())] ^= static_cast<char>(1 << random.below(8));
      break;
    case 2: input.insert(place(), 1, static_cast<char>(random.below(256))); break;
    case 3: input.erase(place(), static_cast<size_t>(random.below(20))); break;
    case 4: input.insert(place(), part(input)); break;
    default: input.insert(place(), part(corpus[random.below(corpus.size())]));
  }
  if (input.size() > kInputBytesMax) input.resize(kInputBytesMax);
}

}  // namespace

int main(int argc, char** argv) {
  std::signal(SIGABRT, [](int) {
    write_current();
    std::_Exit(1);
  });
  std::vector<std::string> corpus = read_corpus(argc > 1 ? argv[1] : "");
  std::printf("%zu inputs\n", corpus.size());
  for (const std::string& input : corpus) run(input);
  if (corpus.empty()) corpus.emplace_back("\1");
  holdfast::Random random(20261125);
  for (int i = 0; i < kMutants; ++i) {
    std::string input = corpus[random.below(corpus.size())];
    for (uint64_t n = 1 + random.below(8); n > 0; --n) mutate(input, corpus, random);
    run(input);
  }
  return 0;
}
