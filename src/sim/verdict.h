// What a checker found.
#pragma once

#include <cstdint>
#include <string>
#include <utility>

namespace holdfast::sim {

struct [[nodiscard]] Verdict {
  enum class Kind : uint8_t { holds, violated, undecided };  // undecided: the search was given up
  Kind kind = Kind::holds;
  std::string what;

  bool holds() const { return kind == Kind::holds; }
  bool violated() const { return kind == Kind::violated; }
  static Verdict violation(std::string text) { return {Kind::violated, std::move(text)}; }
};

}  // namespace holdfast::sim
