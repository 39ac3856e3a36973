// The records of a bbolt file's bucket `key`, in the order of their revisions.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "absl/functional/function_ref.h"
#include "absl/status/statusor.h"
#include "apps/holdfastutl/console.h"
#include "backend/bbolt_reader.h"
#include "backend/revision_key.h"

namespace holdfast::utl {

absl::StatusOr<std::unique_ptr<backend::BboltFile>> open_database(Console& console, const std::string& path);

struct StoredRecord {
  backend::RevisionKey at;
  std::string_view key;    // of the user
  std::string_view value;  // a KeyValue, as stored
};
// DataLoss for a record that can't be understood.
absl::StatusOr<StoredRecord> parse_stored_record(std::string_view stored_key, std::string_view value);
absl::Status for_each_record(backend::BboltFile& file, absl::FunctionRef<void(const StoredRecord&)> visit);

}  // namespace holdfast::utl
