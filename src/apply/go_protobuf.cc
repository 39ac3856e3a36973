#include "apply/go_protobuf.h"

#include "base/text.h"
#include "base/wire.h"
#include "google/protobuf/descriptor.h"

namespace holdfast::apply {

namespace {

using google::protobuf::Descriptor;
using google::protobuf::FieldDescriptor;
using wire::Field;
using wire::Type;

// protowire.DefaultRecursionLimit.
constexpr int kNestingMax = 10'000;

// How a field's value lies on the wire if it isn't packed.
Type wire_type(const FieldDescriptor& field) {
  switch (field.type()) {
    case FieldDescriptor::TYPE_STRING:
    case FieldDescriptor::TYPE_BYTES:
    case FieldDescriptor::TYPE_MESSAGE:
      return Type::bytes;
    case FieldDescriptor::TYPE_DOUBLE:
    case FieldDescriptor::TYPE_FIXED64:
    case FieldDescriptor::TYPE_SFIXED64:
      return Type::fixed64;
    case FieldDescriptor::TYPE_FLOAT:
    case FieldDescriptor::TYPE_FIXED32:
    case FieldDescriptor::TYPE_SFIXED32:
      return Type::fixed32;
    case FieldDescriptor::TYPE_GROUP:
      return Type::group_begin;
    default:
      return Type::varint;
  }
}

bool is_utf8(std::string_view text) {
  while (!text.empty()) {
    const size_t length = static_cast<uint8_t>(text[0]) < 0x80 ? 1 : utf8_length(text);
    if (length == 0) return false;
    text.remove_prefix(length);
  }
  return true;
}

WireFault packed_fault(std::string_view bytes, Type type) {
  if (type == Type::fixed32) return bytes.size() % 4 == 0 ? WireFault::none : WireFault::malformed;
  if (type == Type::fixed64) return bytes.size() % 8 == 0 ? WireFault::none : WireFault::malformed;
  uint64_t value;
  while (!bytes.empty())
    if (!wire::consume_varint(bytes, value)) return WireFault::malformed;
  return WireFault::none;
}

// Null: a field to be skipped, because it is unknown or has another type than it should.
const FieldDescriptor* known(const Descriptor& type, const Field& field) {
  const FieldDescriptor* descriptor = type.FindFieldByNumber(static_cast<int>(field.number));
  if (descriptor == nullptr) return nullptr;
  if (field.type == wire_type(*descriptor)) return descriptor;
  return descriptor->is_packable() && field.type == Type::bytes ? descriptor : nullptr;
}

WireFault find_fault(std::string_view bytes, const Descriptor& type, int depth) {
  if (depth == kNestingMax) return WireFault::malformed;
  wire::Reader reader(bytes);
  Field field;
  while (reader.next(field)) {
    const FieldDescriptor* descriptor = field.type == Type::bytes ? known(type, field) : nullptr;
    if (descriptor == nullptr) continue;
    WireFault fault = WireFault::none;
    switch (descriptor->type()) {
      case FieldDescriptor::TYPE_BYTES:
        break;
      case FieldDescriptor::TYPE_STRING:
        if (!is_utf8(field.bytes)) fault = WireFault::invalid_utf8;
        break;
      case FieldDescriptor::TYPE_MESSAGE:
        fault = find_fault(field.bytes, *descriptor->message_type(), depth + 1);
        break;
      default:
        fault = packed_fault(field.bytes, wire_type(*descriptor));
    }
    if (fault != WireFault::none) return fault;
  }
  return reader.ok() ? WireFault::none : WireFault::malformed;
}

size_t bytes_size(size_t size) { return wire::varint_size(size) + size; }

// Of all fields in their shortest form, but for those that have another type than they should: those count nothing. What is
// larger holds such fields, or groups, which the reader passes over.
size_t plain_size(std::string_view bytes, const Descriptor& type) {
  size_t size = 0;
  wire::Reader reader(bytes);
  Field field;
  while (reader.next(field)) {
    const FieldDescriptor* descriptor = known(type, field);
    if (descriptor == nullptr && type.FindFieldByNumber(static_cast<int>(field.number)) != nullptr) continue;
    size += wire::varint_size(uint64_t{field.number} << 3);
    if (field.type == Type::varint) {
      size += wire::varint_size(field.varint);
    } else if (field.type == Type::bytes) {
      const bool nested = descriptor != nullptr && descriptor->type() == FieldDescriptor::TYPE_MESSAGE;
      size += bytes_size(nested ? plain_size(field.bytes, *descriptor->message_type()) : field.bytes.size());
    } else {
      size += field.type == Type::fixed64 ? 8 : 4;
    }
  }
  return size;
}

void copy_known(std::string_view bytes, const Descriptor& type, std::string& out) {
  wire::Writer writer(out);
  wire::Reader reader(bytes);
  Field field;
  while (reader.next(field)) {
    const FieldDescriptor* descriptor = known(type, field);
    if (descriptor == nullptr) continue;
    if (field.type == Type::varint) {
      writer.put_uint64(field.number, field.varint);
    } else if (field.type == Type::bytes && descriptor->type() == FieldDescriptor::TYPE_MESSAGE) {
      std::string inner;
      copy_known(field.bytes, *descriptor->message_type(), inner);
      writer.put_bytes(field.number, inner);
    } else if (field.type == Type::bytes) {
      writer.put_bytes(field.number, field.bytes);
    } else if (field.type == Type::fixed64) {
      writer.put_fixed64(field.number, field.varint);
    }
    // etcd's messages have no other kind of number.
  }
}

}  // namespace

WireFault find_wire_fault(std::string_view bytes, const Descriptor& type) { return find_fault(bytes, type, 0); }

bool is_plain(std::string_view bytes, const Descriptor& type) { return plain_size(bytes, type) == bytes.size(); }

std::string without_unknown_fields(std::string_view bytes, const Descriptor& type) {
  std::string out;
  copy_known(bytes, type, out);
  return out;
}

}  // namespace holdfast::apply
