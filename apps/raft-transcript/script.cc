#include "raft-transcript/script.h"

#include <optional>

#include "fmt/format.h"

namespace holdfast::transcript {

namespace {

constexpr std::string_view kSeparator = "----";
constexpr std::string_view kSpace = " \t\r\n\v\f";

std::string_view trim(std::string_view text) {
  const size_t begin = text.find_first_not_of(kSpace);
  if (begin == std::string_view::npos) return {};
  return text.substr(begin, text.find_last_not_of(kSpace) + 1 - begin);
}

class Lines {
 public:
  explicit Lines(std::string_view rest) : rest_(rest) {}

  std::optional<std::string_view> next() {
    if (rest_.empty()) return std::nullopt;
    ++number_;
    const size_t end = rest_.find('\n');
    std::string_view line = rest_.substr(0, end);
    rest_ = end == std::string_view::npos ? std::string_view() : rest_.substr(end + 1);
    if (!line.empty() && line.back() == '\r') line.remove_suffix(1);
    return line;
  }
  int number() const { return number_; }

 private:
  std::string_view rest_;
  int number_ = 0;
};

// Cuts the front of `text` up to one of `chars`.
std::string_view until(std::string_view& text, std::string_view chars) {
  const size_t end = std::min(text.find_first_of(chars), text.size());
  const std::string_view front = text.substr(0, end);
  text.remove_prefix(end);
  return front;
}

// "(a,b(c,d))" at the front of `text`: the values at the top level. False if it does not end.
bool parse_list(std::string_view& text, std::vector<std::string>& values) {
  size_t pos = 1;
  size_t begin = 1;
  for (int depth = 1; depth > 0;) {
    if (pos == text.size()) return false;
    const char c = text[pos++];
    if (c == '(') ++depth;
    if (c == ')') --depth;
    if (c == ',' && depth == 1) {
      values.emplace_back(text.substr(begin, pos - 1 - begin));
      while (pos < text.size() && text[pos] == ' ') ++pos;
      begin = pos;
    }
  }
  values.emplace_back(text.substr(begin, pos - 1 - begin));
  text.remove_prefix(pos);
  return true;
}

bool parse_arguments(std::string_view text, std::vector<Argument>& arguments) {
  for (text = trim(text); !text.empty(); text = trim(text)) {
    Argument argument;
    argument.key = std::string(until(text, " ="));
    if (argument.key.empty()) return false;
    if (!text.empty() && text[0] == '=') {
      text.remove_prefix(1);
      if (!text.empty() && text[0] == '(') {
        if (!parse_list(text, argument.values)) return false;
      } else {
        argument.values.emplace_back(until(text, " "));
      }
    }
    arguments.push_back(std::move(argument));
  }
  return true;
}

class Parser {
 public:
  explicit Parser(std::string_view file) : lines_(file) {}

  absl::StatusOr<std::vector<Section>> parse() {
    std::vector<Section> sections;
    Section section;
    while (const auto line = lines_.next()) {
      keep(*line, section);
      std::string text(trim(*line));
      if (text.empty() || text[0] == '#') continue;
      const int number = lines_.number();
      while (text.back() == '\\') {
        const auto more = lines_.next();
        if (!more) break;
        keep(*more, section);
        text = text.substr(0, text.size() - 1) + " " + std::string(trim(*more));
      }
      Directive directive;
      directive.line = number;
      std::string_view rest = text;
      directive.command = std::string(until(rest, " "));
      if (!parse_arguments(rest, directive.arguments)) {
        return absl::InvalidArgumentError(
            fmt::format("line {}: cannot parse directive: {}", number, text));
      }
      // Brackets for a test runner; they have no output.
      if (directive.command == "subtest") continue;
      if (read_input(section, directive)) read_expected(directive);
      section.directive.push_back(std::move(directive));
      sections.push_back(std::move(section));
      section = {};
    }
    sections.push_back(std::move(section));
    return sections;
  }

 private:
  static void keep(std::string_view line, Section& section) {
    section.text += line;
    section.text += '\n';
  }

  // True if there is a separator behind the input.
  bool read_input(Section& section, Directive& directive) {
    std::string input;
    bool separator = false;
    while (const auto line = lines_.next()) {
      separator = *line == kSeparator;
      if (separator) break;
      keep(*line, section);
      input += *line;
      input += '\n';
    }
    directive.input = std::string(trim(input));
    return separator;
  }

  void read_expected(Directive& directive) {
    auto line = lines_.next();
    if (line && *line == kSeparator) return read_expected_with_blank_lines(directive);
    for (; line && !trim(*line).empty(); line = lines_.next()) {
      directive.expected += *line;
      directive.expected += '\n';
    }
  }

  void read_expected_with_blank_lines(Directive& directive) {
    std::string_view before;
    bool pending = false;  // a single separator was seen: text, unless another one follows
    while (const auto line = lines_.next()) {
      if (*line == kSeparator) {
        if (pending) {
          lines_.next();  // the blank line behind
          return;
        }
        pending = true;
        before = *line;
        continue;
      }
      if (pending) {
        directive.expected += before;
        directive.expected += '\n';
        pending = false;
      }
      directive.expected += *line;
      directive.expected += '\n';
    }
  }

  Lines lines_;
};

bool has_blank_line(std::string_view text) {
  while (!text.empty()) {
    const size_t end = text.find('\n');
    if (trim(text.substr(0, end)).empty()) return true;
    text = end == std::string_view::npos ? std::string_view() : text.substr(end + 1);
  }
  return false;
}

}  // namespace

absl::StatusOr<std::vector<Section>> parse(std::string_view file) { return Parser(file).parse(); }

std::string output_block(std::string output) {
  if (!output.empty() && output.back() != '\n') output += '\n';
  if (has_blank_line(output)) return fmt::format("----\n----\n{}----\n----\n\n", output);
  return fmt::format("----\n{}\n", output);
}

}  // namespace holdfast::transcript
