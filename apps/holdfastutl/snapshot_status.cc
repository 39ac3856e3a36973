#include "apps/holdfastutl/snapshot_status.h"

#include <array>
#include <set>

#include "backend/bbolt_reader.h"
#include "backend/revision_key.h"
#include "base/crc32c.h"
#include "base/errors.h"
#include "base/wire.h"
#include "fmt/format.h"

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

// As go-humanize writes it: three digits, powers of 1000.
std::string humanize(int64_t bytes) {
  constexpr std::array<std::string_view, 6> kUnits = {"B", "kB", "MB", "GB", "TB", "PB"};
  double value = static_cast<double>(bytes);
  size_t unit = 0;
  while (value >= 999.5 && unit + 1 < kUnits.size()) {
    value /= 1000;
    ++unit;
  }
  if (unit > 0 && value < 9.95) return fmt::format("{:.1f} {}", value, kUnits[unit]);
  return fmt::format("{:.0f} {}", value, kUnits[unit]);
}

absl::Status add_record(std::string_view stored_key, std::string_view value,
                        std::set<std::string, std::less<>>& live, SnapshotStatus& status) {
  backend::RevisionKey revision;
  const auto key = key_of(value);
  if (!backend::parse_revision_key(stored_key, revision) || !key)
    return make_status(absl::StatusCode::kDataLoss, "a record of bucket \"key\" can't be understood");
  status.revision = revision.revision.main;
  if (revision.tombstone) {
    if (const auto found = live.find(*key); found != live.end()) live.erase(found);
  } else {
    live.emplace(*key);
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<SnapshotStatus> snapshot_status(Console& console, const std::string& path) {
  auto file = console.files.open(path, env::OpenMode::read);
  if (!file.ok()) return file.status();
  auto database = backend::BboltFile::open(*std::move(file), path);
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

std::string to_json(const SnapshotStatus& s) {
  return fmt::format(
      R"({{"hash":{},"revision":{},"totalKey":{},"totalSize":{},"version":"{}"}})" "\n", s.hash,
      s.revision, s.total_keys, s.total_bytes, s.version);
}

std::string to_text(const SnapshotStatus& s) {
  return fmt::format("{:x}, {}, {}, {}, {}\n", s.hash, s.revision, s.total_keys,
                     humanize(s.total_bytes), s.version);
}

}  // namespace holdfast::utl
