#include <algorithm>
#include <vector>

#include "raft-transcript/transcript.h"

namespace holdfast::transcript {

namespace {

constexpr size_t kContext = 2;
// Longer differences are shown as one removal and one addition: the table would not be worth its
// memory.
constexpr size_t kMaxTable = 4'000'000;

std::vector<std::string_view> split(std::string_view text) {
  std::vector<std::string_view> lines;
  while (!text.empty()) {
    const size_t end = std::min(text.find('\n'), text.size() - 1);
    lines.push_back(text.substr(0, end + 1));
    text.remove_prefix(end + 1);
  }
  return lines;
}

struct Edit {
  char sign;
  std::string_view line;
};

// By the longest common subsequence.
std::vector<Edit> edits(const std::vector<std::string_view>& a,
                        const std::vector<std::string_view>& b) {
  std::vector<Edit> out;
  if ((a.size() + 1) * (b.size() + 1) > kMaxTable) {
    for (std::string_view line : a) out.push_back({'-', line});
    for (std::string_view line : b) out.push_back({'+', line});
    return out;
  }
  const size_t width = b.size() + 1;
  std::vector<uint32_t> common((a.size() + 1) * width, 0);
  for (size_t i = a.size(); i-- > 0;) {
    for (size_t j = b.size(); j-- > 0;) {
      common[i * width + j] =
          a[i] == b[j] ? common[(i + 1) * width + j + 1] + 1
                       : std::max(common[(i + 1) * width + j], common[i * width + j + 1]);
    }
  }
  size_t i = 0;
  size_t j = 0;
  while (i < a.size() || j < b.size()) {
    if (i < a.size() && j < b.size() && a[i] == b[j]) {
      out.push_back({' ', a[i]});
      ++i, ++j;
    } else if (j == b.size() ||
               (i < a.size() && common[(i + 1) * width + j] >= common[i * width + j + 1])) {
      out.push_back({'-', a[i++]});
    } else {
      out.push_back({'+', b[j++]});
    }
  }
  return out;
}

}  // namespace

std::string line_diff(std::string_view expected, std::string_view actual) {
  const std::vector<Edit> all = edits(split(expected), split(actual));
  std::vector<bool> shown(all.size(), false);
  for (size_t i = 0; i < all.size(); ++i) {
    if (all[i].sign == ' ') continue;
    const size_t begin = i < kContext ? 0 : i - kContext;
    for (size_t k = begin; k < std::min(all.size(), i + kContext + 1); ++k) shown[k] = true;
  }
  std::string out;
  for (size_t i = 0; i < all.size(); ++i) {
    if (!shown[i]) continue;
    out += all[i].sign;
    out += all[i].line;
    if (out.back() != '\n') out += '\n';
  }
  return out;
}

}  // namespace holdfast::transcript
