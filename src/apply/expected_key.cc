#include "apply/expected_key.h"

#include "apply/parsed_request.h"
#include "base/wire.h"

namespace holdfast::apply {

namespace {

constexpr uint32_t kKeyField = 1;         // PutRequest.key, DeleteRangeRequest.key
constexpr uint32_t kCompareField = 1;     // TxnRequest.compare
constexpr uint32_t kCompareKeyField = 3;  // Compare.key

std::string_view first_bytes(std::string_view message, uint32_t number) {
  wire::Reader reader(message);
  for (wire::Field field; reader.next(field);)
    if (field.number == number && field.type == wire::Type::bytes) return field.bytes;
  return {};
}

}  // namespace

std::string_view expected_key(std::string_view entry) {
  wire::Reader reader(entry);
  for (wire::Field field; reader.next(field);) {
    if (field.type != wire::Type::bytes) continue;
    switch (static_cast<CommandKind>(field.number)) {
      case CommandKind::put:
      case CommandKind::delete_range: return first_bytes(field.bytes, kKeyField);
      case CommandKind::txn: return first_bytes(first_bytes(field.bytes, kCompareField), kCompareKeyField);
      default: break;
    }
  }
  return {};
}

}  // namespace holdfast::apply
