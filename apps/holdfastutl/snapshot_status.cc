#include "apps/holdfastutl/snapshot_status.h"

#include <set>

#include "apps/holdfastutl/records.h"
#include "base/crc32c.h"
#include "base/text.h"
#include "fmt/format.h"

namespace holdfast::utl {

namespace {

absl::Status add_record(std::string_view stored_key, std::string_view value,
                        std::set<std::string, std::less<>>& live, SnapshotStatus& status) {
  const auto record = parse_stored_record(stored_key, value);
  if (!record.ok()) return record.status();
  status.revision = record->at.revision.main;
  if (!record->at.tombstone) {
    live.emplace(record->key);
  } else if (const auto found = live.find(record->key); found != live.end()) {
    live.erase(found);
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<SnapshotStatus> snapshot_status(Console& console, const std::string& path) {
  auto database = open_database(console, path);
  if (!database.ok()) return database.status();
  SnapshotStatus status;
  status.total_bytes = static_cast<int64_t>((*database)->bytes());
  std::set<std::string, std::less<>> live;
  for (const backend::Bucket bucket : backend::kBucketsByName) {
    status.hash = crc32c_extend(status.hash, backend::name(bucket));
    auto cursor = (*database)->cursor(bucket);
    if (!cursor.ok()) return cursor.status();
    while (true) {
      auto more = cursor->next();
      if (!more.ok()) return more.status();
      if (!*more) break;
      status.hash = crc32c_extend(crc32c_extend(status.hash, cursor->key()), cursor->value());
      if (bucket == backend::Bucket::meta && cursor->key() == backend::kStorageVersionKey)
        status.version = cursor->value();
      if (bucket != backend::Bucket::key) continue;
      if (absl::Status s = add_record(cursor->key(), cursor->value(), live, status); !s.ok())
        return s;
    }
  }
  status.total_keys = static_cast<int64_t>(live.size());
  return status;
}

std::vector<Value> values_of(const SnapshotStatus& s) {
  Value hash = number("hash", "hash", "Hash", s.hash);
  hash.readable = fmt::format("{:x}", s.hash);
  Value size = number("total size", "totalSize", "Size", s.total_bytes);
  size.readable = human_bytes(s.total_bytes);
  return {hash, number("revision", "revision", "Revision", s.revision),
          number("total keys", "totalKey", "Keys", s.total_keys), size,
          Value{"version", "version", "Version", s.version, s.version, true}};
}

}  // namespace holdfast::utl
