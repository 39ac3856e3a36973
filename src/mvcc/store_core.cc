#include "mvcc/store_core.h"

#include "base/check.h"
#include "base/errors.h"

namespace holdfast::mvcc {

void StoreCore::post_step(void (Compactor::*step)()) {
  post_call([step](Compactor& compactor) { (compactor.*step)(); });
}

void StoreCore::post_step_after(env::Duration delay, void (Compactor::*step)()) {
  environment.background.post_after(delay, [self = shared_from_this(), step] {
    std::lock_guard lock(self->step_mutex_);
    if (!self->stopped_) (self->compactor.*step)();
  });
}

void StoreCore::stop() {
  std::lock_guard lock(step_mutex_);
  stopped_ = true;
}

absl::Status StoreCore::compact(Revision revision, Task physically_done) {
  const int64_t previous = compacted.load(std::memory_order_relaxed);
  auto job = std::make_shared<CompactionJob>();  // shared by the compactor and the tasks below
  job->done = std::move(physically_done);
  if (revision.value <= previous) {
    job->kind = CompactionJob::Kind::barrier;
    job->durable = true;
    post_call([job](Compactor& compactor) { compactor.add(job); });
    return error(EtcdError::compacted);
  }
  if (revision.value > current.load(std::memory_order_relaxed)) return error(EtcdError::future_rev);
  job->at = revision.value;
  job->previous = previous;
  // As etcd asks its file: whether everything up to `previous` is gone already.
  if (finished.load(std::memory_order_acquire) != previous)
    job->hash = CompactionJob::Hash::partial;
  compacted.store(revision.value, std::memory_order_seq_cst);
  metrics.compact_revision.set(static_cast<double>(revision.value));
  post_call([job](Compactor& compactor) { compactor.add(job); });
  backend.put(backend::Bucket::meta, backend::kScheduledCompactKey,
              backend::RevisionKeyBytes(RevisionPair{revision.value, 0}));
  backend.commit_at_boundary([self = shared_from_this(), job] {
    self->post_call([job](Compactor& compactor) { compactor.wish_is_durable(*job); });
  });
  return absl::OkStatus();
}

// --- reading ---

void StoreCore::tell(backend::ReadView& view, RevisionPair revision, PairVisitor visit) {
  const std::optional<std::string_view> bytes = view.get(revision);
  CHECK(bytes.has_value(), "the index names revision {}.{}, but the backend doesn't have it",
        revision.main, revision.sub);
  KeyValueView pair;
  CHECK(decode(*bytes, pair), "the record of revision {}.{} is damaged", revision.main,
        revision.sub);
  visit(pair);
}

absl::StatusOr<RangeSummary> StoreCore::visit_one(std::string_view key, const RangeOptions& range,
                                                  int64_t at, int64_t now, PairVisitor visit) {
  KeyVersions::State state;
  if (!index.get(key, at, state)) return RangeSummary{0, Revision(now)};
  if (range.kind == RangeKind::keys_only) {
    visit({.key = key,
           .create_revision = Revision(state.created),
           .mod_revision = Revision(state.modified.main),
           .version = state.version});
  } else if (range.kind == RangeKind::pairs) {
    if (range.cancelled != nullptr && (*range.cancelled)()) return absl::CancelledError();
    backend::ReadView view = backend.view();
    tell(view, state.modified, visit);
  }
  return RangeSummary{1, Revision(now)};
}

absl::StatusOr<RangeSummary> StoreCore::visit(std::string_view key, std::string_view end,
                                              const RangeOptions& range, int64_t now,
                                              int64_t oldest, PairVisitor visit) {
  int64_t at = range.revision.value;
  if (at > now) return error(EtcdError::future_rev);
  if (at <= 0) at = now;
  if (at < oldest) return error(EtcdError::compacted);
  if (end.empty()) return visit_one(key, range, at, now, visit);

  struct Found {
    KeyVersions::State state;
    uint32_t key_begin;
  };
  std::vector<Found> found;
  std::string keys;  // of keys_only: the entries may be gone once the lock is
  int64_t count = 0;
  int64_t taken = 0;
  std::string from(key);
  KeyIndex::Step step;
  const auto given_up = [&] { return range.cancelled != nullptr && (*range.cancelled)(); };
  do {
    if (given_up()) return absl::CancelledError();
    found.clear();
    keys.clear();
    step =
        index.visit(from, end, at, [&](const KeyVersions& entry, const KeyVersions::State& state) {
          const bool wanted =
              range.kind != RangeKind::count_only && (range.limit <= 0 || taken < range.limit);
          const bool full = range.kind != RangeKind::count_only && !wanted;
          if (full && range.count == Count::up_to_limit) return false;
          ++count;
          if (!wanted) return true;
          ++taken;
          found.push_back({state, static_cast<uint32_t>(keys.size())});
          if (range.kind == RangeKind::keys_only) keys.append(entry.key());
          return true;
        });
    if (range.kind == RangeKind::keys_only) {
      for (size_t i = 0; i < found.size(); ++i) {
        if (given_up()) return absl::CancelledError();
        const size_t begin = found[i].key_begin;
        const size_t behind = i + 1 < found.size() ? found[i + 1].key_begin : keys.size();
        visit({.key = std::string_view(keys).substr(begin, behind - begin),
               .create_revision = Revision(found[i].state.created),
               .mod_revision = Revision(found[i].state.modified.main),
               .version = found[i].state.version});
      }
    } else if (!found.empty()) {
      backend::ReadView view = backend.view();
      for (const Found& one : found) {
        if (given_up()) return absl::CancelledError();
        tell(view, one.state.modified, visit);
      }
    }
  } while (step == KeyIndex::Step::more);
  return RangeSummary{count, Revision(now)};
}

// --- hashes ---

std::vector<RevisionPair> StoreCore::keep_list(int64_t at) {
  std::vector<RevisionPair> kept;
  std::string from;
  while (index.keep(from, at, kept) == KeyIndex::Step::more) {
  }
  return kept;
}

absl::StatusOr<HashResult> StoreCore::hash_kv(Revision revision) {
  for (const CompactionHash& hash : hashes()) {
    if (revision.value > 0 && hash.revision == revision)
      return HashResult{hash.hash, hash.compact_revision, hash.revision, Revision(current.load())};
  }
  const env::Instant begin = environment.background.clock().now();
  // Holds the next compaction off, so that what this one leaves stays.
  struct Stay {
    ReaderGate& gate;
    unsigned ticket;
    explicit Stay(ReaderGate& g) : gate(g), ticket(g.enter()) {}
    ~Stay() { gate.leave(ticket); }
  } stay(gate);
  const int64_t oldest = compacted.load(std::memory_order_seq_cst);
  const int64_t now = current.load(std::memory_order_seq_cst);
  int64_t at = revision.value;
  if (at > 0 && at < oldest) return error(EtcdError::compacted);
  if (at > 0 && at > now) return error(EtcdError::future_rev);
  if (at == 0) at = now;

  std::vector<RevisionPair> kept_list = keep_list(at);
  backend.expect_scan();
  KeptRevisions kept(kept_list);
  RevisionHash hash(oldest, at);
  // A new view every so many records: a long one would keep the file's free pages from being used.
  constexpr int kRecordsPerView = 4096;
  RevisionPair position{0, 0};
  int records = 0;
  do {
    records = 0;
    backend::ReadView view = backend.view();
    view.scan_revisions(position, {at + 1, 0}, [&](const RevisionKey& key, std::string_view value) {
      hash.add(key, value, kept.contains(key.revision), kept.empty());
      position = {key.revision.main, key.revision.sub + 1};
      return ++records < kRecordsPerView;
    });
  } while (records == kRecordsPerView);
  backend.release_pages();
  metrics.hash_revision_seconds.observe(
      std::chrono::duration<double>(environment.background.clock().now() - begin).count());
  return HashResult{hash.value(), Revision(oldest), Revision(at), Revision(now)};
}

void StoreCore::add_hash(const CompactionHash& hash) {
  environment.log.info("storing new hash", {{"hash", static_cast<uint64_t>(hash.hash)},
                                            {"revision", hash.revision},
                                            {"compact-revision", hash.compact_revision}});
  std::lock_guard lock(hash_mutex_);
  auto at = hashes_.begin();
  while (at != hashes_.end() && at->revision < hash.revision) ++at;
  hashes_.insert(at, hash);
  if (hashes_.size() > kCompactionHashesMax) hashes_.erase(hashes_.begin());
}

std::vector<CompactionHash> StoreCore::hashes() {
  std::lock_guard lock(hash_mutex_);
  return hashes_;
}

}  // namespace holdfast::mvcc
