#include "rpc/json_mapping.h"

#include <charconv>
#include <cstdint>
#include <set>
#include <vector>

#include "base/check.h"
#include "base/text.h"
#include "fmt/format.h"
#include "google/protobuf/descriptor.h"
#include "google/protobuf/reflection.h"

namespace holdfast::rpc {

namespace {

namespace gpb = google::protobuf;
using gpb::FieldDescriptor;

// Messages within messages. Two a nested transaction, and --max-txn-ops bounds those; the same as for the wire format
// (rpc/replies.cc).
constexpr int kDepthMax = 1000;

// --- reading ---

// Go's base64 with protojson's choice of alphabet and padding: by what the text looks like. Line ends are passed over.
std::optional<std::string> decode_bytes(std::string_view text) {
  const bool url = text.find_first_of("-_") != std::string_view::npos;
  const bool padded = text.size() % 4 == 0;
  std::string out;
  out.reserve(text.size() / 4 * 3 + 2);
  uint32_t group = 0;
  int count = 0;
  size_t i = 0;
  const auto value_of = [url](char c) {
    if (c >= 'A' && c <= 'Z') return c - 'A';
    if (c >= 'a' && c <= 'z') return c - 'a' + 26;
    if (c >= '0' && c <= '9') return c - '0' + 52;
    if (c == (url ? '-' : '+')) return 62;
    if (c == (url ? '_' : '/')) return 63;
    return -1;
  };
  for (; i < text.size(); ++i) {
    if (text[i] == '\r' || text[i] == '\n') continue;
    const int value = value_of(text[i]);
    if (value < 0) break;
    group = group << 6 | static_cast<uint32_t>(value);
    if (++count < 4) continue;
    out += static_cast<char>(group >> 16);
    out += static_cast<char>(group >> 8);
    out += static_cast<char>(group);
    group = 0;
    count = 0;
  }
  size_t pads = 0;
  for (; i < text.size(); ++i) {
    if (text[i] == '\r' || text[i] == '\n') continue;
    if (text[i] != '=' || !padded) return std::nullopt;
    ++pads;
  }
  if (count == 1 || (padded && count != 0 && pads != static_cast<size_t>(4 - count)) ||
      (count == 0 && pads != 0))
    return std::nullopt;
  if (count == 2) out += static_cast<char>(group >> 4);
  if (count == 3) {
    out += static_cast<char>(group >> 10);
    out += static_cast<char>(group >> 2);
  }
  return out;
}

// A JSON number as a whole one, if it is one: 100, 1e2 and 100.0 are the same. Nothing for others, and for more digits
// than any of our fields has.
std::optional<std::string> whole_number(std::string_view number) {
  constexpr size_t kDigitsMax = 20;
  const bool negative = number.starts_with('-');
  if (negative) number.remove_prefix(1);
  const size_t e = number.find_first_of("eE");
  long exponent = 0;
  if (e != std::string_view::npos) {
    std::string_view digits = number.substr(e + 1);
    if (digits.starts_with('+')) digits.remove_prefix(1);
    const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), exponent);
    if (error != std::errc() || end != digits.data() + digits.size()) return std::nullopt;
    if (exponent > 1000 || exponent < -1000) return std::nullopt;
    number = number.substr(0, e);
  }
  const size_t dot = number.find('.');
  std::string digits(number.substr(0, dot));
  if (dot != std::string_view::npos) {
    const std::string_view fraction = number.substr(dot + 1);
    digits += fraction;
    exponent -= static_cast<long>(fraction.size());
  }
  while (exponent < 0 && !digits.empty() && digits.back() == '0') {
    digits.pop_back();
    ++exponent;
  }
  const size_t first = digits.find_first_not_of('0');
  if (first == std::string::npos) return "0";
  if (exponent < 0) return std::nullopt;
  digits.erase(0, first);
  if (digits.size() + static_cast<size_t>(exponent) > kDigitsMax) return std::nullopt;
  digits.append(static_cast<size_t>(exponent), '0');
  return negative ? "-" + digits : digits;
}

template <class T>
std::optional<T> to_integer(std::string_view number) {
  const auto whole = whole_number(number);
  if (!whole) return std::nullopt;
  T value{};
  const auto [end, error] = std::from_chars(whole->data(), whole->data() + whole->size(), value);
  if (error != std::errc() || end != whole->data() + whole->size()) return std::nullopt;
  return value;
}

bool is_number(std::string_view text) {
  // The grammar, for numbers that come as strings.
  size_t i = text.starts_with('-') ? 1 : 0;
  const auto digits = [&] {
    const size_t from = i;
    while (i < text.size() && text[i] >= '0' && text[i] <= '9') ++i;
    return i - from;
  };
  const bool zero = i < text.size() && text[i] == '0';
  const size_t whole = digits();
  if (whole == 0 || (zero && whole > 1)) return false;
  if (i < text.size() && text[i] == '.') {
    ++i;
    if (digits() == 0) return false;
  }
  if (i < text.size() && (text[i] == 'e' || text[i] == 'E')) {
    ++i;
    if (i < text.size() && (text[i] == '+' || text[i] == '-')) ++i;
    if (digits() == 0) return false;
  }
  return i == text.size();
}

const char* kind_name(const FieldDescriptor& field) {
  return field.type_name();  // protobuf-go's kinds have the same names
}

// Reads a text whose grammar is known to be right.
class Reader {
 public:
  explicit Reader(std::string_view json) : json_(json) {}

  // False: error() says why.
  bool read_message(gpb::Message& message, int depth);
  std::string error() const { return error_; }

 private:
  char peek() {
    while (at_ < json_.size() && (json_[at_] == ' ' || json_[at_] == '\t' || json_[at_] == '\r' ||
                                  json_[at_] == '\n'))
      ++at_;
    CHECK(at_ < json_.size(), "a JSON text that ends too early");
    return json_[at_];
  }
  bool take(char c) {
    if (peek() != c) return false;
    ++at_;
    return true;
  }
  // The text of a string, number or literal, from its first to its last byte.
  std::string_view take_token();
  void skip_value();
  std::optional<std::string> unquote(std::string_view token);

  bool read_field(gpb::Message& message, const FieldDescriptor& field, int depth);
  bool read_list(gpb::Message& message, const FieldDescriptor& field, int depth);
  bool read_scalar(gpb::Message& message, const FieldDescriptor& field);
  bool set_number(gpb::Message& message, const FieldDescriptor& field, std::string_view number);
  bool set_enum(gpb::Message& message, const FieldDescriptor& field, std::string_view token);

  bool fail(size_t at, std::string_view text) {
    error_ = fmt::format("proto: ({}): {}", position(at), text);
    return false;
  }
  bool unexpected() {
    const size_t at = (peek(), at_);
    const char c = json_[at];
    const bool mark = c == '{' || c == '[' || c == ']' || c == '}';
    const std::string_view token = mark ? json_.substr(at, 1) : take_token();
    error_ = fmt::format("proto: syntax error ({}): unexpected token {}", position(at), token);
    return false;
  }
  std::string position(size_t at) const;

  const std::string_view json_;
  size_t at_ = 0;
  std::string error_;
};

std::string Reader::position(size_t at) const {
  size_t line = 1, begin = 0;
  for (size_t i = 0; i < at; ++i) {
    if (json_[i] != '\n') continue;
    ++line;
    begin = i + 1;
  }
  size_t column = 1;
  for (size_t i = begin; i < at; ++i)
    if ((static_cast<unsigned char>(json_[i]) & 0xc0) != 0x80) ++column;
  return fmt::format("line {}:{}", line, column);
}

std::string_view Reader::take_token() {
  const size_t from = (peek(), at_);
  if (json_[at_] == '"') {
    for (++at_; json_[at_] != '"'; ++at_)
      if (json_[at_] == '\\') ++at_;
    ++at_;
  } else {
    at_ = json_.find_first_of(" \t\r\n,:]}", at_);
    if (at_ == std::string_view::npos) at_ = json_.size();
  }
  return json_.substr(from, at_ - from);
}

// Without recursion: what is unknown may be nested as deep as the scanner allows.
void Reader::skip_value() {
  size_t depth = 0;
  do {
    switch (peek()) {
      case '{':
      case '[':
        ++depth;
        ++at_;
        break;
      case '}':
      case ']':
        --depth;
        ++at_;
        break;
      case ',':
      case ':':
        ++at_;
        break;
      default:
        (void)take_token();
    }
  } while (depth != 0);
}

std::optional<std::string> Reader::unquote(std::string_view token) {
  std::string out;
  out.reserve(token.size());
  const auto hex = [&](size_t at) {
    uint32_t value = 0;
    (void)std::from_chars(token.data() + at, token.data() + at + 4, value, 16);
    return value;
  };
  for (size_t i = 1; i + 1 < token.size();) {
    if (token[i] != '\\') {
      const size_t size = utf8_length(token.substr(i, token.size() - 1 - i));
      if (size == 0) return std::nullopt;
      out.append(token.substr(i, size));
      i += size;
      continue;
    }
    const char c = token[i + 1];
    i += 2;
    if (c != 'u') {
      static constexpr std::string_view kCodes = "bfnrt", kMeaning = "\b\f\n\r\t";
      const size_t code = kCodes.find(c);
      out += code == std::string_view::npos ? c : kMeaning[code];
      continue;
    }
    uint32_t unit = hex(i);
    i += 4;
    if (unit >= 0xdc00 && unit < 0xe000) return std::nullopt;
    if (unit >= 0xd800 && unit < 0xdc00) {
      if (i + 6 >= token.size() || token[i] != '\\' || token[i + 1] != 'u') return std::nullopt;
      const uint32_t low = hex(i + 2);
      if (low < 0xdc00 || low >= 0xe000) return std::nullopt;
      unit = 0x10000 + ((unit - 0xd800) << 10 | (low - 0xdc00));
      i += 6;
    }
    append_utf8(out, unit);
  }
  return out;
}

bool Reader::read_message(gpb::Message& message, int depth) {
  if (depth > kDepthMax) {
    error_ = "proto: exceeded max recursion depth";
    return false;
  }
  if (peek() != '{') return unexpected();
  ++at_;
  const gpb::Descriptor& type = *message.GetDescriptor();
  std::set<int> seen, seen_oneofs;
  if (take('}')) return true;
  while (true) {
    const size_t name_at = (peek(), at_);
    const std::string_view token = take_token();
    const auto name = unquote(token);
    if (!name) return fail(name_at, fmt::format("invalid UTF-8 in string {}", token));
    take(':');
    const FieldDescriptor* field = nullptr;
    for (int i = 0; i < type.field_count() && field == nullptr; ++i)
      if (type.field(i)->json_name() == *name) field = type.field(i);
    if (field == nullptr) field = type.FindFieldByName(*name);
    if (field == nullptr) {
      skip_value();
    } else if (!seen.insert(field->number()).second) {
      return fail(name_at, fmt::format("duplicate field {}", token));
    } else if (peek() == 'n') {
      (void)take_token();  // null: as if it weren't there
    } else {
      const gpb::OneofDescriptor* oneof = field->real_containing_oneof();
      if (oneof != nullptr && !seen_oneofs.insert(oneof->index()).second)
        return fail(name_at, fmt::format("error parsing {}, oneof {} is already set", token,
                                         oneof->full_name()));
      if (!read_field(message, *field, depth)) return false;
    }
    if (take('}')) return true;
    take(',');
  }
}

bool Reader::read_field(gpb::Message& message, const FieldDescriptor& field, int depth) {
  if (field.is_repeated()) return read_list(message, field, depth);
  if (field.cpp_type() == FieldDescriptor::CPPTYPE_MESSAGE)
    return read_message(*message.GetReflection()->MutableMessage(&message, &field), depth + 1);
  return read_scalar(message, field);
}

bool Reader::read_list(gpb::Message& message, const FieldDescriptor& field, int depth) {
  if (peek() != '[') return unexpected();
  ++at_;
  if (take(']')) return true;
  while (true) {
    if (field.cpp_type() == FieldDescriptor::CPPTYPE_MESSAGE) {
      if (!read_message(*message.GetReflection()->AddMessage(&message, &field), depth + 1))
        return false;
    } else if (!read_scalar(message, field)) {
      return false;
    }
    if (take(']')) return true;
    take(',');
  }
}

template <class T, class Set, class Add>
bool store(const FieldDescriptor& field, const std::optional<T>& value, Set set, Add add) {
  if (!value) return false;
  field.is_repeated() ? add(*value) : set(*value);
  return true;
}

bool Reader::set_number(gpb::Message& message, const FieldDescriptor& field,
                        std::string_view number) {
  const gpb::Reflection& r = *message.GetReflection();
  gpb::Message* m = &message;
  const FieldDescriptor* f = &field;
  switch (field.cpp_type()) {
    case FieldDescriptor::CPPTYPE_INT32:
      return store(field, to_integer<int32_t>(number), [&](int32_t v) { r.SetInt32(m, f, v); },
                   [&](int32_t v) { r.AddInt32(m, f, v); });
    case FieldDescriptor::CPPTYPE_INT64:
      return store(field, to_integer<int64_t>(number), [&](int64_t v) { r.SetInt64(m, f, v); },
                   [&](int64_t v) { r.AddInt64(m, f, v); });
    case FieldDescriptor::CPPTYPE_UINT32:
      return store(field, to_integer<uint32_t>(number), [&](uint32_t v) { r.SetUInt32(m, f, v); },
                   [&](uint32_t v) { r.AddUInt32(m, f, v); });
    case FieldDescriptor::CPPTYPE_UINT64:
      return store(field, to_integer<uint64_t>(number), [&](uint64_t v) { r.SetUInt64(m, f, v); },
                   [&](uint64_t v) { r.AddUInt64(m, f, v); });
    default:
      return false;  // etcd's messages have no others
  }
}

bool Reader::set_enum(gpb::Message& message, const FieldDescriptor& field, std::string_view token) {
  std::optional<int> number;
  if (token.starts_with('"')) {
    const auto name = unquote(token);
    if (!name) return false;
    const gpb::EnumValueDescriptor* value = field.enum_type()->FindValueByName(*name);
    if (value == nullptr) return true;  // unknown, passed over
    number = value->number();
  } else {
    number = to_integer<int32_t>(token);
  }
  const gpb::Reflection& r = *message.GetReflection();
  return store(field, number, [&](int v) { r.SetEnumValue(&message, &field, v); },
               [&](int v) { r.AddEnumValue(&message, &field, v); });
}

bool Reader::read_scalar(gpb::Message& message, const FieldDescriptor& field) {
  const size_t token_at = (peek(), at_);
  const char first = json_[at_];
  const gpb::Reflection& r = *message.GetReflection();
  const auto invalid = [&](std::string_view token) {
    return fail(token_at, fmt::format("invalid value for {} field {}: {}", kind_name(field),
                                      field.json_name(), token));
  };
  if (first == '{' || first == '[') return invalid(json_.substr(token_at, 1));
  const std::string_view token = take_token();
  const bool is_string = first == '"';
  const bool is_numeric = first == '-' || (first >= '0' && first <= '9');
  bool fits = false;
  switch (field.cpp_type()) {
    case FieldDescriptor::CPPTYPE_BOOL:
      if (token == "true" || token == "false") {
        fits = store(field, std::optional<bool>(token == "true"),
                     [&](bool v) { r.SetBool(&message, &field, v); },
                     [&](bool v) { r.AddBool(&message, &field, v); });
      }
      break;
    case FieldDescriptor::CPPTYPE_ENUM:
      fits = (is_string || is_numeric) && set_enum(message, field, token);
      break;
    case FieldDescriptor::CPPTYPE_STRING:
      if (is_string) {
        auto text = unquote(token);
        if (!text) return fail(token_at, fmt::format("invalid UTF-8 in string {}", token));
        if (field.type() == FieldDescriptor::TYPE_BYTES) text = decode_bytes(*text);
        fits = store(field, text, [&](const std::string& v) { r.SetString(&message, &field, v); },
                     [&](const std::string& v) { r.AddString(&message, &field, v); });
      }
      break;
    default:
      if (is_string) {
        const auto text = unquote(token);
        fits = text && is_number(*text) && set_number(message, field, *text);
      } else {
        fits = is_numeric && set_number(message, field, token);
      }
  }
  return fits || invalid(token);
}

// --- writing ---

void append_base64(std::string& out, std::string_view bytes) {
  static constexpr char kDigits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  const auto at = [&](size_t i) { return static_cast<uint32_t>(static_cast<unsigned char>(bytes[i])); };
  out.reserve(out.size() + (bytes.size() + 2) / 3 * 4 + 2);
  size_t i = 0;
  for (; i + 3 <= bytes.size(); i += 3) {
    const uint32_t group = at(i) << 16 | at(i + 1) << 8 | at(i + 2);
    for (int shift = 18; shift >= 0; shift -= 6) out += kDigits[group >> shift & 63];
  }
  const size_t left = bytes.size() - i;
  if (left == 0) return;
  const uint32_t group = at(i) << 16 | (left == 2 ? at(i + 1) << 8 : 0);
  out += kDigits[group >> 18 & 63];
  out += kDigits[group >> 12 & 63];
  out += left == 2 ? kDigits[group >> 6 & 63] : '=';
  out += '=';
}

class Writer {
 public:
  Writer(std::string& out, Html html) : out_(out), html_(html) {}

  void write_message(const gpb::Message& message) {
    out_ += '{';
    bool first = true;
    const gpb::Descriptor& type = *message.GetDescriptor();
    const gpb::Reflection& r = *message.GetReflection();
    for (int i = 0; i < type.field_count(); ++i) {
      const FieldDescriptor& field = *type.field(i);
      if (field.is_repeated() ? r.FieldSize(message, &field) == 0 : !r.HasField(message, &field))
        continue;
      if (!std::exchange(first, false)) out_ += ',';
      out_ += '"';
      out_ += field.name();
      out_ += "\":";
      write_field(message, field);
    }
    out_ += '}';
  }

 private:
  void write_field(const gpb::Message& message, const FieldDescriptor& field) {
    if (!field.is_repeated()) return write_value(message, field, -1);
    out_ += '[';
    const int size = message.GetReflection()->FieldSize(message, &field);
    for (int i = 0; i < size; ++i) {
      if (i != 0) out_ += ',';
      write_value(message, field, i);
    }
    out_ += ']';
  }

  // `index` is -1 for a field that isn't repeated.
  void write_value(const gpb::Message& message, const FieldDescriptor& field, int index) {
    const gpb::Reflection& r = *message.GetReflection();
    const gpb::Message& m = message;
    const FieldDescriptor* f = &field;
    const bool one = index < 0;
    switch (field.cpp_type()) {
      case FieldDescriptor::CPPTYPE_BOOL:
        out_ += (one ? r.GetBool(m, f) : r.GetRepeatedBool(m, f, index)) ? "true" : "false";
        return;
      case FieldDescriptor::CPPTYPE_INT32:
        out_ += fmt::format("{}", one ? r.GetInt32(m, f) : r.GetRepeatedInt32(m, f, index));
        return;
      case FieldDescriptor::CPPTYPE_UINT32:
        out_ += fmt::format("{}", one ? r.GetUInt32(m, f) : r.GetRepeatedUInt32(m, f, index));
        return;
      case FieldDescriptor::CPPTYPE_INT64:
        out_ += fmt::format("\"{}\"", one ? r.GetInt64(m, f) : r.GetRepeatedInt64(m, f, index));
        return;
      case FieldDescriptor::CPPTYPE_UINT64:
        out_ += fmt::format("\"{}\"", one ? r.GetUInt64(m, f) : r.GetRepeatedUInt64(m, f, index));
        return;
      case FieldDescriptor::CPPTYPE_ENUM:
        return write_enum(field, one ? r.GetEnumValue(m, f) : r.GetRepeatedEnumValue(m, f, index));
      case FieldDescriptor::CPPTYPE_STRING: {
        std::string scratch;
        const std::string& text = one ? r.GetStringReference(m, f, &scratch)
                                      : r.GetRepeatedStringReference(m, f, index, &scratch);
        if (field.type() != FieldDescriptor::TYPE_BYTES) return append_json_string(out_, text, html_);
        out_ += '"';
        append_base64(out_, text);
        out_ += '"';
        return;
      }
      case FieldDescriptor::CPPTYPE_MESSAGE:
        return write_message(one ? r.GetMessage(m, f) : r.GetRepeatedMessage(m, f, index));
      default:
        CHECK(false, "{}: a type that etcd's messages don't have", field.full_name());
    }
  }

  void write_enum(const FieldDescriptor& field, int number) {
    const gpb::EnumValueDescriptor* value = field.enum_type()->FindValueByNumber(number);
    out_ += value != nullptr ? fmt::format("\"{}\"", value->name()) : fmt::format("{}", number);
  }

  std::string& out_;
  const Html html_;
};

}  // namespace

std::optional<std::string> from_json(std::string_view json, gpb::Message& message) {
  Reader reader(json);
  if (reader.read_message(message, 1)) return std::nullopt;
  return reader.error();
}

void append_json(std::string& out, const gpb::Message& message, Html html) {
  Writer(out, html).write_message(message);
}

void append_json_string(std::string& out, std::string_view text, Html html) {
  out += '"';
  for (size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    static constexpr std::string_view kShort = "\b\f\n\r\t", kCodes = "bfnrt";
    if (c == '"' || c == '\\') {
      out += '\\';
      out += c;
    } else if (const size_t code = kShort.find(c); code != std::string_view::npos) {
      out += '\\';
      out += kCodes[code];
    } else if (static_cast<unsigned char>(c) < 0x20 ||
               (html == Html::escaped && (c == '<' || c == '>' || c == '&'))) {
      out += fmt::format("\\u{:04x}", static_cast<unsigned>(c));
    } else {
      out += c;
    }
  }
  out += '"';
}

}  // namespace holdfast::rpc
