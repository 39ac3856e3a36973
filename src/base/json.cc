#include "base/json.h"

#include <charconv>

#include "base/text.h"
#include "fmt/format.h"

namespace holdfast::json {

namespace {

// Values in each other: what etcd writes has two levels.
constexpr int kDepthMax = 32;
constexpr std::string_view kReplacement = "\xEF\xBF\xBD";

void append_ascii(std::string& out, char c) {
  switch (c) {
    case '"':
      out += "\\\"";
      break;
    case '\\':
      out += "\\\\";
      break;
    case '\b':
      out += "\\b";
      break;
    case '\f':
      out += "\\f";
      break;
    case '\n':
      out += "\\n";
      break;
    case '\r':
      out += "\\r";
      break;
    case '\t':
      out += "\\t";
      break;
    default:
      if (static_cast<unsigned char>(c) < 0x20 || c == '<' || c == '>' || c == '&')
        out += fmt::format("\\u{:04x}", static_cast<unsigned>(c));
      else
        out += c;
  }
}

bool is_digit(char c) { return c >= '0' && c <= '9'; }

}  // namespace

void append_string(std::string& out, std::string_view text) {
  out += '"';
  while (!text.empty()) {
    const size_t length = utf8_length(text);
    const std::string_view character = text.substr(0, length);
    if (length == 0)
      out += "\\ufffd";
    else if (length == 1)
      append_ascii(out, text[0]);
    else if (character == "\xE2\x80\xA8")
      out += "\\u2028";
    else if (character == "\xE2\x80\xA9")
      out += "\\u2029";
    else
      out += character;
    text.remove_prefix(std::max<size_t>(length, 1));
  }
  out += '"';
}

void append_strings(std::string& out, const std::vector<std::string>& texts) {
  out += '[';
  for (size_t i = 0; i < texts.size(); ++i) {
    if (i > 0) out += ',';
    append_string(out, texts[i]);
  }
  out += ']';
}

bool same_name(std::string_view a, std::string_view b) {
  if (a.size() != b.size()) return false;
  const auto lower = [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; };
  for (size_t i = 0; i < a.size(); ++i)
    if (lower(a[i]) != lower(b[i])) return false;
  return true;
}

// --- reading ---

void Reader::skip_space() {
  const size_t at = rest_.find_first_not_of(" \t\r\n");
  rest_.remove_prefix(at == std::string_view::npos ? rest_.size() : at);
}

bool Reader::take(char c) {
  skip_space();
  if (!ok_ || rest_.empty() || rest_.front() != c) return false;
  rest_.remove_prefix(1);
  return true;
}

bool Reader::take_word(std::string_view word) {
  skip_space();
  if (!ok_ || !rest_.starts_with(word)) return false;
  rest_.remove_prefix(word.size());
  return true;
}

bool Reader::at_end() {
  skip_space();
  return ok_ && rest_.empty();
}

bool Reader::object(absl::FunctionRef<bool(std::string_view, Reader&)> member) {
  if (take_null()) return true;
  if (!take('{') || ++depth_ > kDepthMax) return fail();
  if (!take('}')) {
    std::string name;
    do {
      skip_space();
      name.clear();
      if (!quoted(name) || !take(':') || !member(name, *this)) return fail();
    } while (take(','));
    if (!take('}')) return fail();
  }
  --depth_;
  return ok_;
}

bool Reader::list(absl::FunctionRef<bool()> element) {
  if (!take('[') || ++depth_ > kDepthMax) return fail();
  if (!take(']')) {
    do {
      if (!element()) return fail();
    } while (take(','));
    if (!take(']')) return fail();
  }
  --depth_;
  return ok_;
}

bool Reader::array(absl::FunctionRef<bool(Reader&)> element) {
  if (take_null()) return true;
  return list([&] { return element(*this); });
}

bool Reader::strings(std::vector<std::string>& to) {
  to.clear();
  if (take_null()) return true;
  return list([&] { return string(to.emplace_back()); });
}

bool Reader::string(std::string& to) {
  if (take_null()) return true;
  std::string text;
  skip_space();
  if (!quoted(text)) return fail();
  to = std::move(text);
  return true;
}

bool Reader::boolean(bool& to) {
  if (take_null()) return true;
  if (take_word("true")) {
    to = true;
    return true;
  }
  if (!take_word("false")) return fail();
  to = false;
  return true;
}

template <class Integer>
bool Reader::integer(Integer& to) {
  if (take_null()) return true;
  const std::string_view before = rest_;
  if (!skip_number()) return fail();
  const std::string_view digits = before.substr(0, before.size() - rest_.size());
  Integer number = 0;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), number);
  if (error != std::errc() || end != digits.data() + digits.size()) return fail();
  to = number;
  return true;
}

bool Reader::number(int64_t& to) { return integer(to); }
bool Reader::unsigned_number(uint64_t& to) { return integer(to); }

// -? (0 | [1-9][0-9]*) (. [0-9]+)? ([eE] [+-]? [0-9]+)?
bool Reader::skip_number() {
  const auto digits = [&] {
    size_t count = 0;
    while (count < rest_.size() && is_digit(rest_[count])) ++count;
    rest_.remove_prefix(count);
    return count > 0;
  };
  const auto next_is = [&](std::string_view any) {
    if (rest_.empty() || any.find(rest_.front()) == std::string_view::npos) return false;
    rest_.remove_prefix(1);
    return true;
  };
  next_is("-");
  if (!next_is("0") && !digits()) return fail();
  if (next_is(".") && !digits()) return fail();
  if (next_is("eE")) {
    next_is("+-");
    if (!digits()) return fail();
  }
  return ok_;
}

bool Reader::skip() {
  skip_space();
  if (!ok_ || rest_.empty()) return fail();
  switch (rest_.front()) {
    case '{':
      return object([](std::string_view, Reader& value) { return value.skip(); });
    case '[':
      return list([this] { return skip(); });
    case '"': {
      std::string ignored;
      return quoted(ignored) || fail();
    }
    case 't':
      return take_word("true") || fail();
    case 'f':
      return take_word("false") || fail();
    case 'n':
      return take_null() || fail();
    default:
      return skip_number();
  }
}

bool Reader::quoted(std::string& to) {
  if (!ok_ || rest_.empty() || rest_.front() != '"') return false;
  rest_.remove_prefix(1);
  while (!rest_.empty()) {
    const char c = rest_.front();
    if (c == '"') {
      rest_.remove_prefix(1);
      return true;
    }
    if (static_cast<unsigned char>(c) < 0x20) return false;
    if (c == '\\') {
      rest_.remove_prefix(1);
      if (!escape(to)) return false;
      continue;
    }
    const size_t length = utf8_length(rest_);
    to += length == 0 ? kReplacement : rest_.substr(0, length);
    rest_.remove_prefix(std::max<size_t>(length, 1));
  }
  return false;
}

bool Reader::hex4(uint32_t& to) {
  if (rest_.size() < 4) return false;
  to = 0;
  for (int i = 0; i < 4; ++i) {
    const char c = rest_[i];
    if (is_digit(c))
      to = to << 4 | static_cast<uint32_t>(c - '0');
    else if (c >= 'a' && c <= 'f')
      to = to << 4 | static_cast<uint32_t>(c - 'a' + 10);
    else if (c >= 'A' && c <= 'F')
      to = to << 4 | static_cast<uint32_t>(c - 'A' + 10);
    else
      return false;
  }
  rest_.remove_prefix(4);
  return true;
}

// After the backslash.
bool Reader::escape(std::string& to) {
  if (rest_.empty()) return false;
  const char c = rest_.front();
  rest_.remove_prefix(1);
  constexpr std::string_view kNames = "\"\\/bfnrt";
  constexpr std::string_view kMeanings = "\"\\/\b\f\n\r\t";
  if (const size_t at = kNames.find(c); at != std::string_view::npos) {
    to += kMeanings[at];
    return true;
  }
  uint32_t code = 0;
  if (c != 'u' || !hex4(code)) return false;
  if (code >= 0xD800 && code <= 0xDFFF) {
    // Half a pair alone stands for nothing.
    const std::string_view before = rest_;
    uint32_t low = 0;
    if (code <= 0xDBFF && rest_.starts_with("\\u")) {
      rest_.remove_prefix(2);
      if (!hex4(low)) return false;
    }
    if (low >= 0xDC00 && low <= 0xDFFF) {
      code = 0x10000 + ((code - 0xD800) << 10) + (low - 0xDC00);
    } else {
      rest_ = before;
      code = 0xFFFD;
    }
  }
  append_utf8(to, code);
  return true;
}

}  // namespace holdfast::json
