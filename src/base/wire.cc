#include "base/wire.h"

#include <algorithm>
#include <cstring>
#include <vector>

namespace holdfast::wire {

namespace {
// As deep as Go's protobuf goes (protowire.ConsumeFieldValue), and its bound on field numbers inside of groups.
constexpr size_t kGroupDepthMax = 10'001;
constexpr uint64_t kGroupFieldMax = 0x7fffffff;
}  // namespace

void Writer::put_fixed64(uint32_t field, uint64_t v) {
  tag(field, Type::fixed64);
  append_le64(out_, v);
}

bool consume_long_varint(std::string_view& input, uint64_t& v) {
  const auto* const bytes = reinterpret_cast<const uint8_t*>(input.data());
  const size_t size = std::min(input.size(), kVarintBytesMax);
  uint64_t value = 0;
  for (size_t i = 0; i < size; ++i) {
    value |= static_cast<uint64_t>(bytes[i] & 0x7f) << (7 * i);
    if (bytes[i] >= 0x80) continue;
    if (i + 1 == kVarintBytesMax && bytes[i] > 1) return false;  // more than 64 bits
    input.remove_prefix(i + 1);
    v = value;
    return true;
  }
  return false;
}

bool Reader::read_varint(uint64_t& v) { return consume_varint(rest_, v) || fail(); }

bool Reader::next_of_any_form(Field& field) {
  while (ok_ && !rest_.empty()) {
    uint64_t key;
    if (!read_varint(key)) return false;
    if (key >> 32 != 0 || key >> 3 == 0) return fail();
    field.number = static_cast<uint32_t>(key >> 3);
    field.type = static_cast<Type>(key & 7);
    if (field.type != Type::group_begin) return read_value(field);
    if (!skip_group(field.number)) return false;
  }
  return false;
}

bool Reader::read_value(Field& field) {
  field.bytes = {};
  field.varint = 0;
  switch (field.type) {
    case Type::varint:
      return read_varint(field.varint);
    case Type::fixed64:
      if (rest_.size() < 8) return fail();
      field.varint = read_le64(rest_.data());
      rest_.remove_prefix(8);
      return true;
    case Type::fixed32: {
      if (rest_.size() < 4) return fail();
      uint32_t v;
      std::memcpy(&v, rest_.data(), 4);
      field.varint = v;
      rest_.remove_prefix(4);
      return true;
    }
    case Type::bytes: {
      uint64_t size;
      if (!read_varint(size)) return false;
      if (size > rest_.size()) return fail();
      field.bytes = rest_.substr(0, size);
      rest_.remove_prefix(size);
      return true;
    }
    default:
      return fail();
  }
}

bool Reader::skip_group(uint32_t number) {
  std::vector<uint32_t> open{number};
  while (!open.empty()) {
    uint64_t key;
    if (rest_.empty() || !read_varint(key)) return fail();
    if (key >> 3 == 0 || key >> 3 > kGroupFieldMax) return fail();
    Field field;
    field.number = static_cast<uint32_t>(key >> 3);
    field.type = static_cast<Type>(key & 7);
    if (field.type == Type::group_begin) {
      if (open.size() == kGroupDepthMax) return fail();
      open.push_back(field.number);
    } else if (field.type == Type::group_end) {
      if (open.back() != field.number) return fail();
      open.pop_back();
    } else if (!read_value(field)) {
      return false;
    }
  }
  return true;
}

void append_be64(std::string& out, uint64_t v) {
  v = __builtin_bswap64(v);
  out.append(reinterpret_cast<const char*>(&v), 8);
}

uint64_t read_be64(const char* p) {
  uint64_t v;
  std::memcpy(&v, p, 8);
  return __builtin_bswap64(v);
}

void append_le64(std::string& out, uint64_t v) { out.append(reinterpret_cast<const char*>(&v), 8); }

uint64_t read_le64(const char* p) {
  uint64_t v;
  std::memcpy(&v, p, 8);
  return v;
}

}  // namespace holdfast::wire
