#include "rpc/json_scanner.h"

#include "fmt/format.h"

namespace holdfast::rpc {

namespace {

// encoding/json's. What is read into messages is bounded much lower (json_mapping.cc).
constexpr size_t kDepthMax = 10'000;

bool is_space(char c) { return c == ' ' || c == '\t' || c == '\r' || c == '\n'; }
bool is_digit(char c) { return c >= '0' && c <= '9'; }
bool is_hex(char c) {
  return is_digit(c) || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
}

// encoding/json's quoteChar: strconv.Quote's in single quotes.
std::string quote_char(char c) {
  switch (c) {
    case '\'': return R"('\'')";
    case '"': return R"('"')";
    case '\\': return R"('\\')";
    case '\a': return R"('\a')";
    case '\b': return R"('\b')";
    case '\f': return R"('\f')";
    case '\n': return R"('\n')";
    case '\r': return R"('\r')";
    case '\t': return R"('\t')";
    case '\v': return R"('\v')";
    default: break;
  }
  const auto byte = static_cast<unsigned char>(c);
  if (byte < 0x20 || byte == 0x7f) return fmt::format("'\\x{:02x}'", byte);
  if (byte < 0x80) return fmt::format("'{}'", c);
  if (byte < 0xa1 || byte == 0xad) return fmt::format("'\\u00{:02x}'", byte);
  // The byte taken as a character.
  return fmt::format("'{}{}'", static_cast<char>(0xc0 | byte >> 6), static_cast<char>(0x80 | (byte & 0x3f)));
}

}  // namespace

bool JsonScanner::fail(char c, std::string_view context) {
  error_ = fmt::format("invalid character {} {}", quote_char(c), context);
  return false;
}

bool JsonScanner::push(Inside inside) {
  if (stack_.size() >= kDepthMax) {
    return fail(inside == Inside::array_value ? '[' : '{', "exceeded max depth");
  }
  stack_.push_back(inside);
  return true;
}

bool JsonScanner::close() {
  stack_.pop_back();
  state_ = State::end_value;
  done_ = stack_.empty();
  return true;
}

bool JsonScanner::begin_literal(std::string_view literal) {
  literal_ = literal;
  matched_ = 1;
  state_ = State::in_literal;
  return true;
}

bool JsonScanner::begin_value(char c) {
  if (is_space(c)) return true;
  switch (c) {
    case '{': state_ = State::begin_key_or_empty; return push(Inside::object_key);
    case '[': state_ = State::begin_value_or_empty; return push(Inside::array_value);
    case '"': state_ = State::in_string; return true;
    case '-': state_ = State::after_minus; return true;
    case '0': state_ = State::after_zero; return true;
    case 't': return begin_literal("true");
    case 'f': return begin_literal("false");
    case 'n': return begin_literal("null");
    default: break;
  }
  if (!is_digit(c)) return fail(c, "looking for beginning of value");
  state_ = State::in_integer;
  return true;
}

bool JsonScanner::end_value(char c) {
  if (is_space(c)) return true;
  switch (stack_.back()) {
    case Inside::object_key:
      if (c != ':') return fail(c, "after object key");
      stack_.back() = Inside::object_value;
      state_ = State::begin_value;
      return true;
    case Inside::object_value:
      if (c == '}') return close();
      if (c != ',') return fail(c, "after object key:value pair");
      stack_.back() = Inside::object_key;
      state_ = State::begin_key;
      return true;
    case Inside::array_value:
      if (c == ']') return close();
      if (c != ',') return fail(c, "after array element");
      state_ = State::begin_value;
      return true;
  }
  return false;
}

// Numbers end with the first byte that isn't theirs.
bool JsonScanner::end_of_scalar(char c) {
  state_ = State::end_value;
  if (stack_.empty()) return false;
  return end_value(c);
}

bool JsonScanner::step(char c) {
  switch (state_) {
    case State::begin_value: return begin_value(c);
    case State::begin_value_or_empty:
      if (is_space(c)) return true;
      if (c == ']') return close();
      return begin_value(c);
    case State::begin_key_or_empty:
      if (is_space(c)) return true;
      if (c == '}') return close();
      [[fallthrough]];
    case State::begin_key:
      if (is_space(c)) return true;
      if (c != '"') return fail(c, "looking for beginning of object key string");
      state_ = State::in_string;
      return true;
    case State::end_value: return end_value(c);
    case State::in_string:
      if (c == '"') {
        state_ = State::end_value;
        done_ = stack_.empty();
      } else if (c == '\\') {
        state_ = State::in_string_escape;
      } else if (static_cast<unsigned char>(c) < 0x20) {
        return fail(c, "in string literal");
      }
      return true;
    case State::in_string_escape:
      state_ = State::in_string;
      if (c == 'u') {
        matched_ = 0;
        state_ = State::in_string_u;
      } else if (std::string_view("bfnrt\\/\"").find(c) == std::string_view::npos) {
        return fail(c, "in string escape code");
      }
      return true;
    case State::in_string_u:
      if (!is_hex(c)) return fail(c, "in \\u hexadecimal character escape");
      if (++matched_ == 4) state_ = State::in_string;
      return true;
    case State::after_minus:
      if (!is_digit(c)) return fail(c, "in numeric literal");
      state_ = c == '0' ? State::after_zero : State::in_integer;
      return true;
    case State::in_integer:
      if (is_digit(c)) return true;
      [[fallthrough]];
    case State::after_zero:
      if (c == '.') {
        state_ = State::after_dot;
      } else if (c == 'e' || c == 'E') {
        state_ = State::after_e;
      } else {
        return end_of_scalar(c);
      }
      return true;
    case State::after_dot:
      if (!is_digit(c)) return fail(c, "after decimal point in numeric literal");
      state_ = State::in_fraction;
      return true;
    case State::in_fraction:
      if (is_digit(c)) return true;
      if (c != 'e' && c != 'E') return end_of_scalar(c);
      state_ = State::after_e;
      return true;
    case State::after_e:
      if (c == '+' || c == '-') {
        state_ = State::after_e_sign;
        return true;
      }
      [[fallthrough]];
    case State::after_e_sign:
      if (!is_digit(c)) return fail(c, "in exponent of numeric literal");
      state_ = State::in_exponent;
      return true;
    case State::in_exponent: return is_digit(c) || end_of_scalar(c);
    case State::in_literal:
      if (c != literal_[matched_])
        return fail(c, fmt::format("in literal {} (expecting {})", literal_,
                                   quote_char(literal_[matched_])));
      if (++matched_ == literal_.size()) {
        state_ = State::end_value;
        done_ = stack_.empty();
      }
      return true;
  }
  return false;
}

JsonScanner::Event JsonScanner::consume(std::string_view& bytes) {
  if (!error_.empty()) return Event::failed;
  if (complete_) {
    complete_ = false;
    value_.clear();
  }
  size_t used = 0;
  while (used < bytes.size()) {
    const char c = bytes[used];
    if (value_.empty() && is_space(c)) {
      ++used;
      continue;
    }
    const bool taken = step(c);
    if (!error_.empty()) return Event::failed;
    if (taken) {
      value_.push_back(c);
      ++used;
    }
    if (!taken || done_) {
      done_ = false;
      complete_ = true;
      state_ = State::begin_value;
      bytes.remove_prefix(used);
      return Event::value;
    }
  }
  bytes.remove_prefix(used);
  return Event::need_more;
}

JsonScanner::Event JsonScanner::finish() {
  if (!error_.empty()) return Event::failed;
  if (complete_ || value_.empty()) return Event::need_more;
  const bool is_number = stack_.empty() &&
                         (state_ == State::after_zero || state_ == State::in_integer ||
                          state_ == State::in_fraction || state_ == State::in_exponent);
  if (!is_number) {
    error_ = "unexpected EOF";
    return Event::failed;
  }
  complete_ = true;
  state_ = State::begin_value;
  return Event::value;
}

}  // namespace holdfast::rpc
