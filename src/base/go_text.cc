#include "base/go_text.h"

#include <array>
#include <cstdint>
#include <iterator>

#include "base/text.h"
#include "fmt/format.h"

namespace holdfast {

namespace {

// Of a whole UTF-8 character.
uint32_t code_point(std::string_view character) {
  const auto byte = [&](size_t i) { return static_cast<uint32_t>(static_cast<uint8_t>(character[i])); };
  if (character.size() == 1) return byte(0);
  uint32_t code = byte(0) & (0x7fu >> character.size());
  for (size_t i = 1; i < character.size(); ++i) code = code << 6 | (byte(i) & 0x3f);
  return code;
}

// Controls, format characters, spaces other than ' ', private use and noncharacters: what Go escapes.
bool printable(uint32_t rune) {
  if (rune < 0x20 || rune == 0x7f) return false;
  if (rune < 0x7f) return true;
  struct Range {
    uint32_t first, last;
  };
  static constexpr std::array<Range, 13> kHidden = {{{0x7f, 0xa0},
                                                     {0xad, 0xad},
                                                     {0x61c, 0x61c},
                                                     {0x1680, 0x1680},
                                                     {0x180e, 0x180e},
                                                     {0x2000, 0x200f},
                                                     {0x2028, 0x202f},
                                                     {0x205f, 0x206f},
                                                     {0x3000, 0x3000},
                                                     {0xe000, 0xf8ff},
                                                     {0xfeff, 0xfeff},
                                                     {0xfff0, 0xfffb},
                                                     {0xe0000, 0x10ffff}}};
  for (const Range& range : kHidden) {
    if (rune >= range.first && rune <= range.last) return false;
  }
  return (rune & 0xfffe) != 0xfffe;
}

// Those with an escape of their own.
char short_escape(uint32_t code) {
  constexpr std::string_view kCodes = "\"\\\a\b\f\n\r\t\v", kEscapes = "\"\\abfnrtv";
  if (code >= 0x80) return 0;
  const size_t at = kCodes.find(static_cast<char>(code));
  return at == std::string_view::npos ? '\0' : kEscapes[at];
}

void append_character(std::string& out, std::string_view character) {
  const uint32_t code = code_point(character);
  if (const char escape = short_escape(code); escape != 0) {
    out += '\\';
    out += escape;
  } else if (printable(code)) {
    out += character;
  } else if (code < 0x80) {
    fmt::format_to(std::back_inserter(out), "\\x{:02x}", code);
  } else if (code < 0x10000) {
    fmt::format_to(std::back_inserter(out), "\\u{:04x}", code);
  } else {
    fmt::format_to(std::back_inserter(out), "\\U{:08x}", code);
  }
}

}  // namespace

void append_go_quoted(std::string& out, std::string_view text) {
  out += '"';
  while (!text.empty()) {
    const size_t length = utf8_length(text);
    if (length == 0) {
      fmt::format_to(std::back_inserter(out), "\\x{:02x}", static_cast<uint8_t>(text[0]));
      text.remove_prefix(1);
    } else {
      append_character(out, text.substr(0, length));
      text.remove_prefix(length);
    }
  }
  out += '"';
}

std::string go_quote(std::string_view text) {
  std::string out;
  append_go_quoted(out, text);
  return out;
}

std::string go_duration(std::chrono::nanoseconds duration) {
  const int64_t nanoseconds = duration.count();
  if (nanoseconds == 0) return "0s";
  const bool negative = nanoseconds < 0;
  const uint64_t n =
      negative ? 0 - static_cast<uint64_t>(nanoseconds) : static_cast<uint64_t>(nanoseconds);
  // `value` in units of 10^-digits, without trailing zeros.
  const auto decimal = [](uint64_t value, int digits) {
    std::string text = fmt::format("{:0{}}", value, digits + 1);
    text.insert(text.size() - static_cast<size_t>(digits), ".");
    text.erase(text.find_last_not_of('0') + 1);
    if (text.back() == '.') text.pop_back();
    return text;
  };
  std::string text;
  if (n < 1'000) {
    text = fmt::format("{}ns", n);
  } else if (n < 1'000'000) {
    text = decimal(n, 3) + "µs";
  } else if (n < 1'000'000'000) {
    text = decimal(n, 6) + "ms";
  } else {
    const uint64_t minutes = n / 60'000'000'000;
    if (minutes >= 60) text = fmt::format("{}h", minutes / 60);
    if (minutes > 0) text += fmt::format("{}m", minutes % 60);
    text += decimal(n % 60'000'000'000, 9) + "s";
  }
  return negative ? "-" + text : text;
}

}  // namespace holdfast
