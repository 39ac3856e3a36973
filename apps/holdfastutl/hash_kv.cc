#include "apps/holdfastutl/hash_kv.h"

#include <algorithm>
#include <map>
#include <vector>

#include "apps/holdfastutl/records.h"
#include "base/errors.h"
#include "mvcc/revision_hash.h"

namespace holdfast::utl {

namespace {

using backend::BboltFile;
using backend::Bucket;
using backend::RevisionKey;
using backend::RevisionPair;

// Where compaction stands, whether or not it has been through the records.
absl::StatusOr<int64_t> compact_revision_of(BboltFile& file) {
  int64_t compacted = -1;
  for (const std::string_view key : {backend::kScheduledCompactKey, backend::kFinishedCompactKey}) {
    auto value = file.get(Bucket::meta, key);
    if (!value.ok()) return value.status();
    RevisionKey revision;
    if (*value && backend::parse_revision_key(**value, revision))
      compacted = std::max(compacted, revision.revision.main);
  }
  return compacted;
}

absl::StatusOr<int64_t> last_revision_of(BboltFile& file, int64_t compact_revision) {
  int64_t last = std::max<int64_t>(compact_revision, 1);  // a store without records is at revision 1
  absl::Status status = for_each_record(file, [&](const StoredRecord& record) {
    last = std::max(last, record.at.revision.main);
  });
  if (!status.ok()) return status;
  return last;
}

// What a compaction at `revision` would leave of the records up to there.
absl::StatusOr<std::vector<RevisionPair>> kept_at(BboltFile& file, int64_t revision) {
  std::map<std::string, RevisionKey, std::less<>> newest;
  absl::Status status = for_each_record(file, [&](const StoredRecord& record) {
    if (record.at.revision.main <= revision) newest.insert_or_assign(std::string(record.key), record.at);
  });
  if (!status.ok()) return status;
  std::vector<RevisionPair> kept;
  for (const auto& [key, at] : newest)
    if (!at.tombstone) kept.push_back(at.revision);
  return kept;
}

absl::Status refused(std::string_view text) { return make_status(absl::StatusCode::kOutOfRange, text); }

}  // namespace

absl::StatusOr<HashKv> hash_kv(Console& console, const std::string& path, int64_t revision) {
  auto file = open_database(console, path);
  if (!file.ok()) return file.status();
  auto compacted = compact_revision_of(**file);
  if (!compacted.ok()) return compacted.status();
  auto last = last_revision_of(**file, *compacted);
  if (!last.ok()) return last.status();
  if (revision > 0 && revision < *compacted) return refused("mvcc: required revision has been compacted");
  if (revision > *last) return refused("mvcc: required revision is a future revision");
  HashKv result{0, revision > 0 ? revision : *last, *compacted};
  auto kept_revisions = kept_at(**file, result.revision);
  if (!kept_revisions.ok()) return kept_revisions.status();

  mvcc::KeptRevisions kept(*kept_revisions);
  const bool nothing_kept = kept.empty();
  mvcc::RevisionHash hash(result.compact_revision, result.revision);
  absl::Status status = for_each_record(**file, [&](const StoredRecord& record) {
    hash.add(record.at, record.value, kept.contains(record.at.revision), nothing_kept);
  });
  if (!status.ok()) return status;
  result.hash = hash.value();
  return result;
}

std::vector<Value> values_of(const HashKv& hash) {
  return {number("hash", "hash", "Hash", hash.hash),
          number("hash revision", "hashRevision", "Hash revision", hash.revision),
          number("compact revision", "compactRevision", "Compact revision", hash.compact_revision)};
}

}  // namespace holdfast::utl
