#include "backend/backend_core.h"
#include "base/check.h"
#include "base/wire.h"

namespace holdfast::backend {

ReadView::ReadView(BackendCore* core, ReaderSlot* slot, const BatchSet* batches)
    : core_(core), slot_(slot), batches_(batches) {}

ReadView::ReadView(ReadView&& other) noexcept
    : core_(other.core_),
      slot_(std::exchange(other.slot_, nullptr)),
      batches_(other.batches_),
      begun_(other.begun_) {}

ReadView::~ReadView() {
  if (slot_ == nullptr) return;
  if (begun_) slot_->reader->end();
  core_->leave_slot(slot_);
}

// Begun after the batches were named: what is in none of them was committed before.
Engine::Reader& ReadView::engine() {
  Engine::Reader& reader = core_->reader_of(slot_);
  if (!begun_) {
    reader.begin();
    begun_ = true;
  }
  return reader;
}

std::optional<std::string_view> ReadView::get(RevisionPair revision) {
  for (const auto& batch : batches_->batches) {
    if (const Batch::Record* record = batch->find(revision)) {
      if (record->tombstone) return std::nullopt;
      return record->view();
    }
  }
  std::string_view value;
  if (!engine().get(Bucket::key, RevisionKeyBytes(revision), value)) return std::nullopt;
  return value;
}

void ReadView::scan_revisions(
    RevisionPair from, RevisionPair to,
    absl::FunctionRef<bool(const RevisionKey&, std::string_view value)> visit) {
  // The engine may have taken over a batch that we hold too: it answers below the oldest batch
  // only.
  RevisionPair engine_end = to;
  for (auto it = batches_->batches.rbegin(); it != batches_->batches.rend(); ++it) {
    if ((*it)->record_count() == 0) continue;
    engine_end = std::min(engine_end, (*it)->record(0).revision);
    break;
  }
  bool going = true;
  if (from < engine_end) {
    engine().scan(Bucket::key, RevisionKeyBytes(from), RevisionKeyBytes(engine_end),
                  [&](std::string_view key, std::string_view value) {
                    RevisionKey revision;
                    CHECK(parse_revision_key(key, revision),
                          "a key of the key bucket is no revision");
                    return going = visit(revision, value);
                  });
  }
  for (auto it = batches_->batches.rbegin(); going && it != batches_->batches.rend(); ++it) {
    const Batch& batch = **it;
    const size_t count = batch.record_count();
    for (size_t i = batch.lower_bound(from); going && i < count; ++i) {
      const Batch::Record& record = batch.record(i);
      if (!(record.revision < to)) break;
      going = visit({record.revision, record.tombstone}, record.view());
    }
  }
}

std::optional<std::string> ReadView::get(Bucket bucket, std::string_view key) {
  CHECK(bucket != Bucket::key);
  std::optional<std::string> found;
  for (const auto& batch : batches_->batches)
    if (batch->find(bucket, key, found)) return found;
  std::string_view value;
  if (!engine().get(bucket, key, value)) return std::nullopt;
  return std::string(value);
}

void ReadView::scan(Bucket bucket, std::string_view from, std::string_view to, Visitor visit) {
  CHECK(bucket != Bucket::key);
  Batch::Changes changes;
  for (auto it = batches_->batches.rbegin(); it != batches_->batches.rend(); ++it)
    (*it)->overlay(bucket, from, to, changes);
  auto change = changes.begin();
  bool going = true;
  auto tell_changes_below = [&](std::string_view key) {
    for (; going && change != changes.end() && change->first < key; ++change)
      if (change->second) going = visit(change->first, *change->second);
  };
  engine().scan(bucket, from, to, [&](std::string_view key, std::string_view value) {
    tell_changes_below(key);
    if (!going) return false;
    if (change != changes.end() && change->first == key) {
      if (change->second) going = visit(key, *change->second);
      ++change;
    } else {
      going = visit(key, value);
    }
    return going;
  });
  for (; going && change != changes.end(); ++change)
    if (change->second) going = visit(change->first, *change->second);
}

CommittedView::CommittedView(BackendCore* core, ReaderSlot* slot) : core_(core), slot_(slot) {}

CommittedView::CommittedView(CommittedView&& other) noexcept
    : core_(other.core_), slot_(std::exchange(other.slot_, nullptr)) {}

CommittedView::~CommittedView() {
  if (slot_ == nullptr) return;
  slot_->reader->end();
  core_->leave_slot(slot_);
}

Engine::Reader& CommittedView::reader() { return *slot_->reader; }

namespace {
// 0 if it isn't there, or is no number.
uint64_t number_in(std::string_view bytes) { return bytes.size() == 8 ? wire::read_be64(bytes.data()) : 0; }
}  // namespace

ConsistentIndex read_consistent_index(ReadView& view) {
  const auto number = [&](std::string_view key) { return number_in(view.get(Bucket::meta, key).value_or("")); };
  return {number(kConsistentIndexKey), number(kTermKey)};
}

ConsistentIndex read_consistent_index(Engine::Reader& state) {
  const auto number = [&](std::string_view key) {
    std::string_view value;
    return state.get(Bucket::meta, key, value) ? number_in(value) : 0;
  };
  return {number(kConsistentIndexKey), number(kTermKey)};
}

}  // namespace holdfast::backend
