#include "mvcc/key_index.h"

#include <mutex>
#include <shared_mutex>

#include "base/check.h"
#include "mvcc/store.h"

namespace holdfast::mvcc {

FairSharedMutex::FairSharedMutex() {
  pthread_rwlockattr_t attributes;
  CHECK(pthread_rwlockattr_init(&attributes) == 0);
  CHECK(pthread_rwlockattr_setkind_np(&attributes, PTHREAD_RWLOCK_PREFER_WRITER_NONRECURSIVE_NP) ==
        0);
  CHECK(pthread_rwlock_init(&lock_, &attributes) == 0);
  pthread_rwlockattr_destroy(&attributes);
}

bool KeyIndex::get(std::string_view key, int64_t at, KeyVersions::State& state) const {
  std::shared_lock lock(mutex_);
  const KeyVersions* entry = tree_.find(key);
  return entry != nullptr && entry->get(at, state);
}

void KeyIndex::prefetch(const std::string_view* keys, size_t count) const {
  // What fits in a cache needs no asking for.
  constexpr size_t kManyKeys = 20'000;
  std::shared_lock lock(mutex_);
  if (tree_.size() >= kManyKeys) tree_.prefetch(keys, count);
}

KeyIndex::Before KeyIndex::put(std::string_view key, RevisionPair revision) {
  std::lock_guard lock(mutex_);
  KeyVersions& entry = *tree_.find_or_insert(key);
  Before before;
  KeyVersions::State state;
  // The newest state, whichever change of this transaction made it.
  if (entry.newest().main != 0 && entry.get(INT64_MAX, state))
    before = {true, state.created, state.version};
  entry.put(revision);
  if (!before.existed) alive_.fetch_add(1, std::memory_order_relaxed);
  return before;
}

bool KeyIndex::tombstone(std::string_view key, RevisionPair revision) {
  std::lock_guard lock(mutex_);
  KeyVersions* entry = tree_.find(key);
  if (entry == nullptr || !entry->tombstone(revision)) return false;
  alive_.fetch_sub(1, std::memory_order_relaxed);
  return true;
}

namespace {

// The smallest string above `key`, so that a walk goes on behind it.
void continue_behind(std::string& from, std::string_view key) {
  from.assign(key);
  from.push_back('\0');
}

}  // namespace

KeyIndex::Step KeyIndex::visit(std::string& from, std::string_view end, int64_t at,
                               Found found) const {
  Step step = Step::end;
  int visited = 0;
  std::shared_lock lock(mutex_);
  tree_.visit(from, [&](KeyVersions& entry) {
    if (!before_end(entry.key(), end)) return false;
    KeyVersions::State state;
    if (entry.get(at, state) && !found(entry, state)) return false;
    if (++visited < kIndexStepKeys) return true;
    continue_behind(from, entry.key());
    step = Step::more;
    return false;
  });
  return step;
}

KeyIndex::Step KeyIndex::compact(std::string& from, int64_t at, std::vector<RevisionPair>& kept) {
  Step step = Step::end;
  int visited = 0;
  std::vector<std::string> dead;
  std::lock_guard lock(mutex_);
  tree_.visit(from, [&](KeyVersions& entry) {
    std::optional<RevisionPair> stays;
    if (entry.compact(at, stays) == KeyVersions::Left::nothing) dead.emplace_back(entry.key());
    if (stays) kept.push_back(*stays);
    if (++visited < kIndexStepKeys) return true;
    continue_behind(from, entry.key());
    step = Step::more;
    return false;
  });
  for (const std::string& key : dead) tree_.erase(key);
  return step;
}

KeyIndex::Step KeyIndex::keep(std::string& from, int64_t at,
                              std::vector<RevisionPair>& kept) const {
  Step step = Step::end;
  int visited = 0;
  std::shared_lock lock(mutex_);
  tree_.visit(from, [&](KeyVersions& entry) {
    if (auto stays = entry.keep(at)) kept.push_back(*stays);
    if (++visited < kIndexStepKeys) return true;
    continue_behind(from, entry.key());
    step = Step::more;
    return false;
  });
  return step;
}

void KeyIndex::restore(const std::string_view* keys, const Record* records, size_t count,
                       absl::FunctionRef<void(const Record&)> ignored) {
  std::lock_guard lock(mutex_);
  tree_.prefetch(keys, count);
  for (size_t i = 0; i < count; ++i)
    if (!restore_one(keys[i], records[i])) ignored(records[i]);
}

bool KeyIndex::restore_one(std::string_view key, const Record& record) {
  KeyVersions& entry = *tree_.find_or_insert(key, KeyTree::Expected::absent);
  const bool first = entry.newest().main == 0;
  if (record.tombstone) {
    if (first) {
      entry.restore_tombstone(record.revision);
      return true;
    }
    if (!entry.tombstone(record.revision)) return false;
    alive_.fetch_sub(1, std::memory_order_relaxed);
    return true;
  }
  if (first || !entry.alive()) alive_.fetch_add(1, std::memory_order_relaxed);
  if (first) {
    entry.restore(record.revision, record.created, record.version);
  } else {
    entry.put(record.revision);
  }
  return true;
}

size_t KeyIndex::size() const {
  std::shared_lock lock(mutex_);
  return tree_.size();
}

void KeyIndex::check() const {
  std::shared_lock lock(mutex_);
  tree_.check();
}

void KeyIndex::visit_entries(absl::FunctionRef<bool(KeyVersions&)> visit) const {
  std::shared_lock lock(mutex_);
  tree_.visit({}, visit);
}

}  // namespace holdfast::mvcc
