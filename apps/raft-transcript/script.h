// The form of transcript files: a directive line `command arg key=val key=(a,b,c)`, input lines, a
// line `----`, the expected output, a blank line. Lines that begin with # are comments. Output that
// contains blank lines stands between two double lines `----`. A directive may go on in the next
// line after a backslash.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/status/statusor.h"

namespace holdfast::transcript {

struct Argument {
  std::string key;
  std::vector<std::string> values;  // none for an argument without '='
};

struct Directive {
  int line = 0;  // where it stands, from 1
  std::string command;
  std::vector<Argument> arguments;
  std::string input;     // trimmed
  std::string expected;  // lines, each ended
};

// A part of the file: the lines before a directive's output as they stand, and the directive if
// there is one.
struct Section {
  std::string text;
  std::vector<Directive> directive;  // none or one
};

absl::StatusOr<std::vector<Section>> parse(std::string_view file);

// The output of a directive as it would stand in the file, with what ends it.
std::string output_block(std::string output);

}  // namespace holdfast::transcript
