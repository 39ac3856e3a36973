// Numbers and booleans of directives, read as Go's strconv reads them. False: not one.
#pragma once

#include <charconv>
#include <string_view>

namespace holdfast::transcript {

template <class Number>
bool parse(std::string_view text, Number& value) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  return error == std::errc() && end == text.data() + text.size() && !text.empty();
}

// Longer than true and false: what ParseBool takes.
inline bool parse(std::string_view text, bool& value) {
  for (const std::string_view yes : {"1", "t", "T", "true", "TRUE", "True"}) {
    if (text == yes) return value = true;
  }
  for (const std::string_view no : {"0", "f", "F", "false", "FALSE", "False"}) {
    if (text == no) return value = false, true;
  }
  return false;
}

}  // namespace holdfast::transcript
