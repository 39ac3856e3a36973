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

struct Survey {
  int64_t last = 1;                 // a store without records is at revision 1
  std::vector<RevisionPair> kept;   // what compaction leaves of the records up to the compact revision
};

absl::StatusOr<Survey> survey(BboltFile& file, int64_t compact_revision) {
  Survey result;
  std::map<std::string, RevisionKey, std::less<>> newest;
  absl::Status status = for_each_record(file, [&](const StoredRecord& record) {
    result.last = record.at.revision.main;
    if (record.at.revision.main <= compact_revision) newest.insert_or_assign(std::string(record.key), record.at);
  });
  if (!status.ok()) return status;
  result.last = std::max(result.last, compact_revision);
  for (const auto& [key, at] : newest)
    if (!at.tombstone) result.kept.push_back(at.revision);
  return result;
}

}  // namespace

absl::StatusOr<HashKv> hash_kv(Console& console, const std::string& path, int64_t revision) {
  auto file = open_database(console, path);
  if (!file.ok()) return file.status();
  auto compacted = compact_revision_of(**file);
  if (!compacted.ok()) return compacted.status();
  auto found = survey(**file, *compacted);
  if (!found.ok()) return found.status();
  if (revision > 0 && revision < *compacted) return error(EtcdError::compacted);
  if (revision > found->last) return error(EtcdError::future_rev);
  HashKv result{0, revision > 0 ? revision : found->last, *compacted};

  mvcc::KeptRevisions kept(found->kept);
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
