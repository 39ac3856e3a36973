#include "backend/bbolt_import.h"

namespace holdfast::backend {
namespace {

// One commit: what the engine holds in memory for it, and about as much again.
constexpr size_t kPieceBytes = 4 << 20;
constexpr size_t kPieceRecords = 50'000;

absl::Status import_bucket(BboltFile& file, Engine& engine, Bucket bucket,
                           absl::FunctionRef<bool()> cancelled) {
  auto cursor = file.cursor(bucket);
  if (!cursor.ok()) return cursor.status();
  absl::StatusOr<bool> more = cursor->next();
  while (more.ok() && *more) {
    if (cancelled()) return absl::CancelledError("the import was cancelled");
    absl::Status committed = engine.commit([&](Engine::Writer& writer) {
      size_t bytes = 0;
      for (size_t n = 0; n < kPieceRecords && bytes < kPieceBytes && more.ok() && *more; ++n) {
        writer.put(bucket, cursor->key(), cursor->value());
        bytes += cursor->key().size() + cursor->value().size();
        more = cursor->next();
      }
    });
    if (!committed.ok()) return committed;
  }
  return more.status();
}

}  // namespace

absl::Status import_bbolt(BboltFile& file, Engine& engine, absl::FunctionRef<bool()> cancelled) {
  for (const Bucket bucket : kBucketsByName)
    if (absl::Status s = import_bucket(file, engine, bucket, cancelled); !s.ok()) return s;
  return absl::OkStatus();
}

}  // namespace holdfast::backend
