#include "mvcc/store.h"

#include "base/errors.h"
#include "mvcc/store_core.h"

namespace holdfast::mvcc {

// --- reading ---

absl::StatusOr<RangeResult> TxnRead::range(std::string_view key, std::string_view end,
                                           const RangeOptions& options) {
  RangeResult result;
  auto summary = visit(key, end, options,
                       [&](const KeyValueView& pair) { result.pairs.push_back(pair.copy()); });
  if (!summary.ok()) return summary.status();
  result.count = summary->count;
  result.revision = summary->revision;
  return result;
}

std::optional<KeyValue> TxnRead::get(std::string_view key) {
  std::optional<KeyValue> found;
  (void)visit(key, {}, {}, [&](const KeyValueView& pair) { found = pair.copy(); });
  return found;
}

ReadTxn::ReadTxn(StoreCore& core)
    : core_(core),
      ticket_(core.gate.enter()),
      revision_(core.current.load(std::memory_order_seq_cst)),
      compacted_(core.compacted.load(std::memory_order_seq_cst)) {}

ReadTxn::~ReadTxn() { core_.gate.leave(ticket_); }

absl::StatusOr<RangeSummary> ReadTxn::visit(std::string_view key, std::string_view end,
                                            const RangeOptions& options, PairVisitor visit) {
  core_.metrics.ranges.increment();
  return core_.visit(key, end, options, revision_.value, compacted_.value, visit);
}

// --- writing ---

WriteTxn::WriteTxn(StoreCore& core)
    : core_(core), begin_revision_(core.current.load(std::memory_order_relaxed)) {}

WriteTxn::~WriteTxn() { end(); }

Revision WriteTxn::compacted_revision() const { return Revision(core_.compacted.load()); }

absl::StatusOr<RangeSummary> WriteTxn::visit(std::string_view key, std::string_view end,
                                             const RangeOptions& options, PairVisitor visit) {
  ++ranges_;
  return core_.visit(key, end, options, result_revision().value, core_.compacted.load(), visit);
}

Revision WriteTxn::put(std::string_view key, std::string_view value, LeaseId lease) {
  ++puts_;
  put_bytes_ += static_cast<int64_t>(key.size() + value.size());
  const RevisionPair revision{begin_revision_.value + 1, static_cast<int64_t>(changes_.size())};
  const KeyIndex::Before before = core_.index.put(key, revision);
  const KeyValueView pair{
      .key = key,
      .value = value,
      .create_revision = Revision(before.existed ? before.created : revision.main),
      .mod_revision = Revision(revision.main),
      .version = (before.existed ? before.version : 0) + 1,
      .lease = lease};
  char* room = core_.backend.append({revision, false}, encoded_size(pair));
  changes_.push_back({encode(pair, room), revision, false});

  const LeaseId old = before.existed ? core_.leases.lease_of(key) : LeaseId(0);
  if (old != lease) {
    if (old) core_.leases.detach(old, key);
    if (lease) core_.leases.attach(lease, key);
  }
  return Revision(revision.main);
}

int64_t WriteTxn::delete_range(std::string_view key, std::string_view end) {
  ++deletes_;
  const int64_t at = result_revision().value;
  if (end.empty()) {
    KeyVersions::State state;
    if (!core_.index.get(key, at, state)) return 0;
    erase(key);
    return 1;
  }
  int64_t deleted = 0;
  std::string from(key);
  std::vector<std::string> keys;
  KeyIndex::Step step;
  do {
    keys.clear();
    step =
        core_.index.visit(from, end, at, [&](const KeyVersions& entry, const KeyVersions::State&) {
          keys.emplace_back(entry.key());
          return true;
        });
    for (const std::string& one : keys) erase(one);
    deleted += static_cast<int64_t>(keys.size());
  } while (step == KeyIndex::Step::more);
  return deleted;
}

void WriteTxn::erase(std::string_view key) {
  const RevisionPair revision{begin_revision_.value + 1, static_cast<int64_t>(changes_.size())};
  const KeyValueView stored{.key = key};
  char* room = core_.backend.append({revision, true}, encoded_size(stored));
  KeyValueView pair = encode(stored, room);
  pair.mod_revision = Revision(revision.main);
  core_.index.tombstone(key, revision);
  changes_.push_back({pair, revision, true});
  if (const LeaseId lease = core_.leases.lease_of(key)) core_.leases.detach(lease, key);
}

void WriteTxn::end() {
  if (std::exchange(ended_, true)) return;
  StoreMetrics& metrics = core_.metrics;
  if (!changes_.empty()) {
    core_.current.store(begin_revision_.value + 1, std::memory_order_seq_cst);
    metrics.current_revision.set(static_cast<double>(begin_revision_.value + 1));
    metrics.keys.set(static_cast<double>(core_.index.alive()));
  }
  if (ranges_ + puts_ + deletes_ > 1) metrics.txns.increment();
  if (ranges_ > 0) metrics.ranges.add(ranges_);
  if (deletes_ > 0) metrics.deletes.add(deletes_);
  if (puts_ > 0) {
    metrics.puts.add(puts_);
    metrics.put_bytes.add(static_cast<double>(put_bytes_));
  }
}

// --- the store ---

absl::StatusOr<std::unique_ptr<Store>> Store::open(backend::Backend& backend, LeaseAttacher& leases,
                                                   const StoreOptions& options,
                                                   const StoreEnvironment& environment) {
  // Shared with steps on the background executor.
  auto core = std::make_shared<StoreCore>(backend, leases, options, environment);
  if (absl::Status status = core->restore(); !status.ok()) return status;
  return std::unique_ptr<Store>(new Store(std::move(core)));
}

Store::Store(std::shared_ptr<StoreCore> core) : core_(std::move(core)) {}
Store::~Store() { core_->stop(); }

ReadTxn Store::read() { return ReadTxn(*core_); }
WriteTxn Store::write() { return WriteTxn(*core_); }

void Store::expect(const std::string_view* keys, size_t count) {
  static_assert(kExpectedMax <= KeyIndex::kPrefetchMax);
  core_->index.prefetch(keys, count);
}
Revision Store::current_revision() const {
  return Revision(core_->current.load(std::memory_order_acquire));
}
Revision Store::compacted_revision() const {
  return Revision(core_->compacted.load(std::memory_order_acquire));
}
absl::Status Store::compact(Revision revision, Task physically_done) {
  return core_->compact(revision, std::move(physically_done));
}
absl::StatusOr<HashResult> Store::hash_kv(Revision revision) { return core_->hash_kv(revision); }
std::vector<CompactionHash> Store::compaction_hashes() const { return core_->hashes(); }

absl::Status Store::visit_changes(Revision from, Revision to,
                                  absl::FunctionRef<bool(const Change&)> visit) {
  const ReadTxn txn = read();  // keeps what it may see from being deleted
  if (from < txn.compacted_revision()) return error(EtcdError::compacted);
  const int64_t last = std::min(to, txn.revision()).value;
  absl::Status status;
  // As in hash_kv: no long views.
  constexpr int kRecordsPerView = 1024;
  RevisionPair position{from.value, 0};
  int records = 0;
  bool going = true;
  do {
    records = 0;
    backend::ReadView view = core_->backend.view();
    view.scan_revisions(
        position, {last + 1, 0}, [&](const RevisionKey& key, std::string_view bytes) {
          Change change{.revision = key.revision, .deleted = key.tombstone};
          if (!decode(bytes, change.pair)) {
            status = make_status(absl::StatusCode::kDataLoss, "mvcc: a record is damaged");
            return going = false;
          }
          if (key.tombstone) change.pair.mod_revision = Revision(key.revision.main);
          position = {key.revision.main, key.revision.sub + 1};
          going = visit(change);
          return going && ++records < kRecordsPerView;
        });
  } while (going && records == kRecordsPerView);
  return status;
}

}  // namespace holdfast::mvcc
