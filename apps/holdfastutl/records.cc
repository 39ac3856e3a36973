#include "apps/holdfastutl/records.h"

#include <optional>

#include "base/errors.h"
#include "base/wire.h"

namespace holdfast::utl {

namespace {

// The field `key` of a stored KeyValue.
std::optional<std::string_view> key_of(std::string_view record) {
  wire::Reader reader(record);
  std::string_view key;
  wire::Field field;
  while (reader.next(field))
    if (field.number == 1) key = field.bytes;
  if (!reader.ok()) return std::nullopt;
  return key;
}

}  // namespace

absl::StatusOr<std::unique_ptr<backend::BboltFile>> open_database(Console& console, const std::string& path) {
  auto file = console.files.open(path, env::OpenMode::read);
  if (!file.ok()) return file.status();
  return backend::BboltFile::open(*std::move(file), path);
}

absl::StatusOr<StoredRecord> parse_stored_record(std::string_view stored_key, std::string_view value) {
  StoredRecord record;
  const auto key = key_of(value);
  if (!backend::parse_revision_key(stored_key, record.at) || !key)
    return make_status(absl::StatusCode::kDataLoss, "a record of bucket \"key\" can't be understood");
  record.key = *key;
  record.value = value;
  return record;
}

absl::Status for_each_record(backend::BboltFile& file, absl::FunctionRef<void(const StoredRecord&)> visit) {
  auto cursor = file.cursor(backend::Bucket::key);
  if (!cursor.ok()) return cursor.status();
  while (true) {
    auto more = cursor->next();
    if (!more.ok()) return more.status();
    if (!*more) return absl::OkStatus();
    auto record = parse_stored_record(cursor->key(), cursor->value());
    if (!record.ok()) return record.status();
    visit(*record);
  }
}

}  // namespace holdfast::utl
