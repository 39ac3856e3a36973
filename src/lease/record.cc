#include "lease/record.h"

#include "base/wire.h"

namespace holdfast::lease {

std::string record_key(LeaseId id) {
  std::string key;
  wire::append_be64(key, static_cast<uint64_t>(id.value));
  return key;
}

std::string record_value(const LeaseRecord& record) {
  std::string value;
  wire::Writer writer(value);
  writer.put_nonzero_int64(1, record.id.value);
  writer.put_nonzero_int64(2, record.ttl);
  writer.put_nonzero_int64(3, record.remaining_ttl);
  return value;
}

std::optional<LeaseRecord> parse_record(std::string_view value) {
  LeaseRecord record;
  wire::Reader reader(value);
  wire::Field field;
  while (reader.next(field)) {
    if (field.type != wire::Type::varint) continue;
    if (field.number == 1) record.id = LeaseId(field.as_int64());
    if (field.number == 2) record.ttl = field.as_int64();
    if (field.number == 3) record.remaining_ttl = field.as_int64();
  }
  if (!reader.ok()) return std::nullopt;
  return record;
}

}  // namespace holdfast::lease
