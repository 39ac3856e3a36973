#include "mvcc/key_value.h"

#include <cstring>

#include "base/check.h"
#include "base/wire.h"

namespace holdfast::mvcc {
namespace {

// All field numbers are below 16, so every tag is one byte.
constexpr char tag(uint32_t field, wire::Type type) {
  return static_cast<char>(field << 3 | static_cast<uint32_t>(type));
}

size_t number_size(int64_t v) {
  return v == 0 ? 0 : 1 + wire::varint_size(static_cast<uint64_t>(v));
}
size_t bytes_size(std::string_view v) {
  return v.empty() ? 0 : 1 + wire::varint_size(v.size()) + v.size();
}

char* write_varint(char* to, uint64_t v) {
  while (v >= 0x80) {
    *to++ = static_cast<char>(v | 0x80);
    v >>= 7;
  }
  *to++ = static_cast<char>(v);
  return to;
}
char* write_number(char* to, uint32_t field, int64_t v) {
  if (v == 0) return to;
  *to++ = tag(field, wire::Type::varint);
  return write_varint(to, static_cast<uint64_t>(v));
}
char* write_bytes(char* to, uint32_t field, std::string_view v) {
  if (v.empty()) return to;
  *to++ = tag(field, wire::Type::bytes);
  to = write_varint(to, v.size());
  std::memcpy(to, v.data(), v.size());
  return to + v.size();
}

}  // namespace

size_t encoded_size(const KeyValueView& kv) {
  return bytes_size(kv.key) + number_size(kv.create_revision.value) +
         number_size(kv.mod_revision.value) + number_size(kv.version) + bytes_size(kv.value) +
         number_size(kv.lease.value);
}

KeyValueView encode(const KeyValueView& kv, char* to) {
  char* const begin = to;
  KeyValueView written = kv;
  to = write_bytes(to, 1, kv.key);
  written.key = {to - kv.key.size(), kv.key.size()};
  to = write_number(to, 2, kv.create_revision.value);
  to = write_number(to, 3, kv.mod_revision.value);
  to = write_number(to, 4, kv.version);
  to = write_bytes(to, 5, kv.value);
  written.value = {to - kv.value.size(), kv.value.size()};
  to = write_number(to, 6, kv.lease.value);
  written.encoded = {begin, static_cast<size_t>(to - begin)};
  return written;
}

std::string encode(const KeyValueView& kv) {
  std::string bytes(encoded_size(kv), '\0');
  encode(kv, bytes.data());
  return bytes;
}

bool decode(std::string_view bytes, KeyValueView& kv) {
  kv = KeyValueView{};
  kv.encoded = bytes;
  wire::Reader reader(bytes);
  wire::Field field;
  while (reader.next(field)) {
    const wire::Type wanted =
        field.number == 1 || field.number == 5 ? wire::Type::bytes : wire::Type::varint;
    if (field.number <= 6 && field.type != wanted) return false;
    switch (field.number) {
      case 1:
        kv.key = field.bytes;
        break;
      case 2:
        kv.create_revision = Revision(field.as_int64());
        break;
      case 3:
        kv.mod_revision = Revision(field.as_int64());
        break;
      case 4:
        kv.version = field.as_int64();
        break;
      case 5:
        kv.value = field.bytes;
        break;
      case 6:
        kv.lease = LeaseId(field.as_int64());
        break;
      default:
        break;
    }
  }
  return reader.ok();
}

}  // namespace holdfast::mvcc
