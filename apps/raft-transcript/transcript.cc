#include "raft-transcript/transcript.h"

#include "fmt/format.h"
#include "raft-transcript/panic.h"

namespace holdfast::transcript {

namespace {

// By the first directive that only one kind has.
std::unique_ptr<Kind> make_kind(const std::vector<Section>& sections) {
  for (const Section& section : sections) {
    for (const Directive& directive : section.directive) {
      const std::string& command = directive.command;
      if (command == "simple" || command == "enter-joint" || command == "leave-joint")
        return make_confchange();
      if (command == "committed" || command == "vote") return make_quorum();
      if (command == "add-nodes") return make_interaction();
    }
  }
  return make_interaction();
}

std::string ended(std::string output) {
  if (!output.empty() && output.back() != '\n') output += '\n';
  return output;
}

}  // namespace

absl::StatusOr<Result> run(std::string_view file) {
  absl::StatusOr<std::vector<Section>> sections = parse(file);
  if (!sections.ok()) return sections.status();
  Result result;
  const std::unique_ptr<Kind> kind = make_kind(*sections);
  for (const Section& section : *sections) {
    result.text += section.text;
    for (const Directive& directive : section.directive) {
      absl::StatusOr<std::string> output;
      if (absl::Status status = catch_panic([&] { output = kind->run(directive); }); !status.ok())
        output = std::move(status);
      if (!output.ok()) {
        return absl::InvalidArgumentError(fmt::format("line {}: {}: {}", directive.line,
                                                      directive.command,
                                                      std::string(output.status().message())));
      }
      const std::string actual = ended(*std::move(output));
      if (actual != directive.expected) {
        result.difference += fmt::format("line {}: {}\n{}", directive.line, directive.command,
                                         line_diff(directive.expected, actual));
      }
      result.text += output_block(actual);
    }
  }
  // The last output needs no blank line behind it.
  if (result.text.size() > 2 && result.text.ends_with("\n\n")) result.text.pop_back();
  if (result.difference.empty() && result.text != file)
    result.difference = "the directives agree, but blank lines or separators differ\n" +
                        line_diff(file, result.text);
  return result;
}

}  // namespace holdfast::transcript
