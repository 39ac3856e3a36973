#include <algorithm>
#include <array>

#include "absl/container/flat_hash_map.h"
#include "base/errors.h"
#include "fmt/format.h"
#include "mvcc/store_core.h"

namespace holdfast::mvcc {
namespace {

using backend::Bucket;

// -1: not there.
absl::StatusOr<int64_t> read_compaction(backend::ReadView& view, std::string_view key) {
  const std::optional<std::string> bytes = view.get(Bucket::meta, key);
  if (!bytes) return -1;
  RevisionKey revision;
  if (!backend::parse_revision_key(*bytes, revision))
    return make_status(absl::StatusCode::kDataLoss, fmt::format("mvcc: {} is damaged", key));
  return revision.revision.main;
}

}  // namespace

absl::Status StoreCore::restore_records(std::vector<std::pair<std::string, LeaseId>>& leased) {
  absl::flat_hash_map<std::string, LeaseId> lease_of_key;
  absl::Status status;
  backend::ReadView view = backend.view();
  int64_t last = 1;
  // Their bytes lie in the backend until the view ends.
  std::array<std::string_view, KeyIndex::kRestoreMax> keys;
  std::array<KeyIndex::Record, KeyIndex::kRestoreMax> records;
  size_t waiting = 0;
  const auto restore_waiting = [&] {
    index.restore(keys.data(), records.data(), waiting, [&](const KeyIndex::Record& record) {
      environment.log.warn("tombstone encountered error", {{"revision", record.revision.main}});
    });
    waiting = 0;
  };
  view.scan_revisions(
      {1, 0}, {INT64_MAX, INT64_MAX}, [&](const RevisionKey& key, std::string_view value) {
        KeyValueView pair;
        // An empty record only raises the revision (UTL-06). etcd has it in its index, under the empty key, which no
        // request can name, and so in its hashes.
        const bool is_whole = decode(value, pair) && (!pair.key.empty() || value.empty());
        if (!is_whole || key.revision.sub > UINT32_MAX) {
          status = make_status(absl::StatusCode::kDataLoss,
                               fmt::format("mvcc: the record of revision {}.{} is damaged",
                                           key.revision.main, key.revision.sub));
          return false;
        }
        last = key.revision.main;
        keys[waiting] = pair.key;
        records[waiting] = {key.revision, key.tombstone, pair.create_revision.value, pair.version};
        if (++waiting == keys.size()) restore_waiting();
        if (!key.tombstone && pair.lease) {
          lease_of_key[std::string(pair.key)] = pair.lease;
        } else if (!lease_of_key.empty()) {
          lease_of_key.erase(std::string(pair.key));
        }
        return true;
      });
  restore_waiting();
  current.store(last);
  leased.assign(lease_of_key.begin(), lease_of_key.end());
  std::sort(leased.begin(), leased.end());
  return status;
}

absl::Status StoreCore::restore() {
  int64_t scheduled = -1;
  {
    backend::ReadView view = backend.view();
    auto finished_found = read_compaction(view, backend::kFinishedCompactKey);
    if (!finished_found.ok()) return finished_found.status();
    auto scheduled_found = read_compaction(view, backend::kScheduledCompactKey);
    if (!scheduled_found.ok()) return scheduled_found.status();
    finished.store(*finished_found);
    compacted.store(*finished_found);
    scheduled = *scheduled_found;
  }
  std::vector<std::pair<std::string, LeaseId>> leased;
  backend.expect_scan();
  if (absl::Status status = restore_records(leased); !status.ok()) return status;
  backend.release_pages();
  // What a compaction deleted may have been the newest there was (BKT-11).
  current.store(std::max({current.load(), compacted.load(), scheduled}));
  for (const auto& [key, lease] : leased) leases.attach(lease, key);
  metrics.keys.set(static_cast<double>(index.alive()));
  metrics.current_revision.set(static_cast<double>(current.load()));
  metrics.compact_revision.set(static_cast<double>(compacted.load()));
  environment.log.info("kvstore restored", {{"current-rev", current.load()}});
  if (scheduled > compacted.load()) {
    environment.log.info("resume scheduled compaction",
                         {{"scheduled-compact-revision", scheduled}});
    finished.store(-2);  // no hash of what is left of an interrupted one
    return compact(Revision(scheduled), {});
  }
  return absl::OkStatus();
}

}  // namespace holdfast::mvcc
