// The protobuf wire format, by hand, for plain structs (raft, wal, mvcc, backend). The writer emits fields in the
// order it is told, so that callers can match Go's encoding byte for byte; the reader walks fields and never reads past
// its input, whatever the input is.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace holdfast::wire {

enum class Type : uint8_t { varint = 0, fixed64 = 1, bytes = 2, group_begin = 3, group_end = 4, fixed32 = 5 };

inline size_t varint_size(uint64_t v) {
  return static_cast<size_t>((64 - __builtin_clzll(v | 1) + 6) / 7);
}

// Writes `v` to `to`, where at least kVarintBytesMax bytes are free; returns the end.
inline constexpr size_t kVarintBytesMax = 10;
inline char* write_varint(char* to, uint64_t v) {
  while (v >= 0x80) {
    *to++ = static_cast<char>(v | 0x80);
    v >>= 7;
  }
  *to++ = static_cast<char>(v);
  return to;
}

// Appends to a caller-owned string. put_* write always; the caller decides about proto3 zero omission
// (put_nonzero_* do it).
class Writer {
 public:
  explicit Writer(std::string& out) : out_(out) {}

  void varint(uint64_t v) {
    char bytes[kVarintBytesMax];
    out_.append(bytes, static_cast<size_t>(write_varint(bytes, v) - bytes));
  }
  void tag(uint32_t field, Type type) { varint(field << 3 | static_cast<uint32_t>(type)); }
  void put_uint64(uint32_t field, uint64_t v) { put_two(field, Type::varint, v); }
  // int32/int64/enum fields: negative numbers take ten bytes, as protobuf says.
  void put_int64(uint32_t field, int64_t v) { put_uint64(field, static_cast<uint64_t>(v)); }
  void put_bool(uint32_t field, bool v) { put_uint64(field, v ? 1 : 0); }
  void put_bytes(uint32_t field, std::string_view v) {
    put_two(field, Type::bytes, v.size());
    out_.append(v);
  }
  void put_fixed64(uint32_t field, uint64_t v);
  void put_nonzero_uint64(uint32_t field, uint64_t v) {
    if (v != 0) put_uint64(field, v);
  }
  void put_nonzero_int64(uint32_t field, int64_t v) {
    if (v != 0) put_int64(field, v);
  }
  void put_nonempty_bytes(uint32_t field, std::string_view v) {
    if (!v.empty()) put_bytes(field, v);
  }

 private:
  // A tag and a number, in one append: short fields are most of what is written.
  void put_two(uint32_t field, Type type, uint64_t v) {
    char bytes[2 * kVarintBytesMax];
    char* end = write_varint(bytes, field << 3 | static_cast<uint32_t>(type));
    end = write_varint(end, v);
    out_.append(bytes, static_cast<size_t>(end - bytes));
  }

  std::string& out_;
};

// One decoded field. For bytes, `bytes` points into the reader's input.
struct Field {
  uint32_t number = 0;
  Type type = Type::varint;
  uint64_t varint = 0;        // varint, fixed32, fixed64
  std::string_view bytes;     // Type::bytes

  int64_t as_int64() const { return static_cast<int64_t>(varint); }
  int32_t as_int32() const { return static_cast<int32_t>(varint); }
  bool as_bool() const { return varint != 0; }
};

// Usage: Reader r(input); Field f; while (r.next(f)) ...; if (!r.ok()) malformed.
// Groups are skipped whole (nesting bounded), as unknown fields are.
class Reader {
 public:
  explicit Reader(std::string_view input) : rest_(input) {}

  // False at the end of the input or on malformed input; ok() tells which.
  bool next(Field& field) {
    // A tag and a number of a byte each: most of what there is.
    if (ok_ && rest_.size() >= 2) {
      const auto key = static_cast<uint8_t>(rest_[0]);
      const auto value = static_cast<uint8_t>(rest_[1]);
      if (key >= 0x08 && key < 0x80 && (key & 7) == 0 && value < 0x80) {
        field = {.number = static_cast<uint32_t>(key >> 3), .type = Type::varint, .varint = value, .bytes = {}};
        rest_.remove_prefix(2);
        return true;
      }
    }
    return next_of_any_form(field);
  }
  bool ok() const { return ok_; }
  std::string_view rest() const { return rest_; }

 private:
  bool fail() {
    ok_ = false;
    return false;
  }
  bool next_of_any_form(Field& field);
  bool read_varint(uint64_t& v);
  bool read_value(Field& field);
  bool skip_group(uint32_t number);

  std::string_view rest_;
  bool ok_ = true;
};

bool consume_long_varint(std::string_view& input, uint64_t& v);
// Reads a base-128 varint from the front of `input` and removes it; false if malformed or truncated.
inline bool consume_varint(std::string_view& input, uint64_t& v) {
  if (input.empty() || static_cast<uint8_t>(input[0]) >= 0x80) return consume_long_varint(input, v);
  v = static_cast<uint8_t>(input[0]);
  input.remove_prefix(1);
  return true;
}

// Big-endian integers, as etcd's keys and stream frames use them.
void append_be64(std::string& out, uint64_t v);
uint64_t read_be64(const char* p);
void append_le64(std::string& out, uint64_t v);
uint64_t read_le64(const char* p);

}  // namespace holdfast::wire
