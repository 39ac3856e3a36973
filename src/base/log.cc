#include "base/log.h"

#include <cmath>

#include "base/text.h"
#include "fmt/format.h"

namespace holdfast {

std::string_view to_string(LogLevel level) {
  switch (level) {
    case LogLevel::debug: return "debug";
    case LogLevel::info: return "info";
    case LogLevel::warn: return "warn";
    case LogLevel::error: return "error";
    case LogLevel::panic: return "panic";
    case LogLevel::fatal: return "fatal";
  }
  return "unknown";
}

void append_json_string(std::string& out, std::string_view text) {
  out.push_back('"');
  while (!text.empty()) {
    const char c = text[0];
    const size_t n = utf8_length(text);
    if (n == 0) {
      out.append("\\ufffd");
      text.remove_prefix(1);
      continue;
    }
    if (n > 1) {
      out.append(text.substr(0, n));
    } else if (c == '"' || c == '\\') {
      out.push_back('\\');
      out.push_back(c);
    } else if (c == '\n') {
      out.append("\\n");
    } else if (c == '\r') {
      out.append("\\r");
    } else if (c == '\t') {
      out.append("\\t");
    } else if (static_cast<uint8_t>(c) < 0x20 || c == 0x7f) {
      fmt::format_to(std::back_inserter(out), "\\u{:04x}", static_cast<uint8_t>(c));
    } else {
      out.push_back(c);
    }
    text.remove_prefix(n);
  }
  out.push_back('"');
}

std::string hex_id(uint64_t id) { return fmt::format("{:x}", id); }

LogField::LogField(std::string_view n, std::string_view v) : name(n) { append_json_string(json, v); }
LogField::LogField(std::string_view n, bool v) : name(n), json(v ? "true" : "false") {}
LogField::LogField(std::string_view n, int64_t v) : name(n), json(fmt::format("{}", v)) {}
LogField::LogField(std::string_view n, uint64_t v) : name(n), json(fmt::format("{}", v)) {}
LogField::LogField(std::string_view n, double v)
    : name(n), json(std::isfinite(v) ? fmt::format("{}", v) : fmt::format("\"{}\"", v)) {}
LogField::LogField(std::string_view n, const std::vector<std::string>& v) : name(n) {
  json.push_back('[');
  for (size_t i = 0; i < v.size(); ++i) {
    if (i > 0) json.push_back(',');
    append_json_string(json, v[i]);
  }
  json.push_back(']');
}
LogField::LogField(std::string_view n, MemberId v) : LogField(n, hex_id(v.value)) {}
LogField::LogField(std::string_view n, ClusterId v) : LogField(n, hex_id(v.value)) {}

}  // namespace holdfast
