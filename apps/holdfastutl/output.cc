#include "apps/holdfastutl/output.h"

#include <algorithm>
#include <utility>

#include "base/log.h"
#include "fmt/format.h"
#include "fmt/ranges.h"

namespace holdfast::utl {

namespace {

std::string rule(const std::vector<size_t>& widths, std::string_view left, std::string_view middle,
                 std::string_view right) {
  std::string text(left);
  for (size_t i = 0; i < widths.size(); ++i) {
    if (i > 0) text += middle;
    for (size_t n = 0; n < widths[i] + 2; ++n) text += "─";
  }
  return text + std::string(right) + "\n";
}

std::string capitals(std::string text) {
  for (char& c : text)
    if (c >= 'a' && c <= 'z') c = static_cast<char>(c - 'a' + 'A');
  return text;
}

// Names in the middle of their column, values to its right.
std::string to_table(const std::vector<Value>& values) {
  std::vector<size_t> widths;
  std::string names = "│", row = "│";
  for (const Value& value : values) {
    const size_t width = std::max(value.name.size(), value.readable.size());
    widths.push_back(width);
    names += fmt::format(" {:^{}} │", capitals(value.name), width);
    row += fmt::format(" {:>{}} │", value.readable, width);
  }
  return rule(widths, "┌", "┬", "┐") + names + "\n" + rule(widths, "├", "┼", "┤") + row + "\n" +
         rule(widths, "└", "┴", "┘");
}

}  // namespace

std::optional<Format> parse_format(std::string_view name) {
  if (name == "simple") return Format::simple;
  if (name == "fields") return Format::fields;
  if (name == "json") return Format::json;
  if (name == "table") return Format::table;
  return std::nullopt;
}

Value number(std::string name, std::string json_name, std::string field_name, int64_t value) {
  const std::string text = fmt::format("{}", value);
  return {std::move(name), std::move(json_name), std::move(field_name), text, text};
}

std::string render(Format format, const std::vector<Value>& values) {
  if (format == Format::table) return to_table(values);
  std::string lines;
  std::vector<std::string> parts;
  for (const Value& value : values) {
    if (format == Format::fields) {
      lines += fmt::format("\"{}\" : {}\n", value.field_name, value.exact);
    } else if (format == Format::simple) {
      parts.push_back(value.readable);
    } else {
      std::string text = value.exact;
      if (value.is_text) append_json_string(text.erase(), value.exact);
      parts.push_back(fmt::format("\"{}\":{}", value.json_name, text));
    }
  }
  if (format == Format::fields) return lines;
  if (format == Format::simple) return fmt::format("{}\n", fmt::join(parts, ", "));
  return fmt::format("{{{}}}\n", fmt::join(parts, ","));
}

}  // namespace holdfast::utl
