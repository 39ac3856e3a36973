#include "mvcc/key_versions.h"

#include <algorithm>
#include <cstddef>
#include <new>

#include "base/check.h"
#include "base/mutant.h"

namespace holdfast::mvcc {

KeyVersions::Pointer KeyVersions::create(std::string_view key) {
  CHECK(key.size() < (size_t{1} << 31));
  const size_t bytes = std::max(offsetof(KeyVersions, key_) + key.size(), sizeof(KeyVersions));
  auto* entry = new (::operator new(bytes)) KeyVersions(key.size());
  key.copy(entry->key_, key.size());  // an empty one may be nowhere
  return Pointer(entry);
}

void KeyVersions::destroy(KeyVersions* entry) {
  entry->~KeyVersions();
  ::operator delete(entry);
}

bool KeyVersions::get(int64_t at, State& state) const {
  if (at >= mod_main_) {
    if (ended_) return false;
    state = {{mod_main_, mod_sub_}, created_, version_};
    return true;
  }
  if (!older_) return false;
  const auto& revisions = older_->revisions;
  auto after = std::upper_bound(revisions.begin(), revisions.end(), at,
                                [](int64_t main, const Past& old) { return main < old.main; });
  if (after == revisions.begin()) return false;
  const Past& found = *(after - 1);
  if (found.tombstone) return false;
  const size_t position = static_cast<size_t>(after - 1 - revisions.begin());
  state.modified = {found.main, found.sub};
  auto end = std::lower_bound(older_->ended.begin(), older_->ended.end(), position,
                              [](const Ended& e, size_t p) { return e.tombstone < p; });
  if (end != older_->ended.end()) {
    state.created = end->created;
    state.version = end->version - static_cast<int64_t>(end->tombstone - 1 - position);
  } else {
    // In the generation of the newest revision; its last put is the newest itself or, before a
    // tombstone, the last old.
    const size_t last_put = revisions.size() - (ended_ ? 1 : 0);
    state.created = created_;
    state.version = version_ - static_cast<int64_t>(last_put - position);
  }
  return true;
}

void KeyVersions::push_newest_to_older() {
  if (!older_) older_ = std::make_unique<Older>();
  if (ended_) older_->ended.push_back({older_->revisions.size(), created_, version_});
  older_->revisions.push_back({mod_main_, mod_sub_, ended_ != 0});
}

void KeyVersions::put(RevisionPair revision) {
  CHECK(newest() < revision, "put at {}.{}, but the key already has {}.{}", revision.main,
        revision.sub, mod_main_, mod_sub_);
  CHECK(revision.sub <= UINT32_MAX);
  const bool begins = mod_main_ == 0 || ended_;
  if (mod_main_ != 0) push_newest_to_older();
  if (begins) {
    created_ = revision.main;
    version_ = 0;
    ended_ = 0;
  }
  ++version_;
  mod_main_ = revision.main;
  mod_sub_ = static_cast<uint32_t>(revision.sub);
}

bool KeyVersions::tombstone(RevisionPair revision) {
  if (ended_) return false;
  CHECK(newest() < revision && revision.sub <= UINT32_MAX);
  push_newest_to_older();
  ended_ = 1;
  mod_main_ = revision.main;
  mod_sub_ = static_cast<uint32_t>(revision.sub);
  return true;
}

void KeyVersions::restore(RevisionPair modified, int64_t created, int64_t version) {
  CHECK(mod_main_ == 0 && modified.sub <= UINT32_MAX);
  mod_main_ = modified.main;
  mod_sub_ = static_cast<uint32_t>(modified.sub);
  created_ = created;
  version_ = version;
}

void KeyVersions::restore_tombstone(RevisionPair modified) {
  restore(modified, 0, 0);
  ended_ = 1;
}

// Position of the newest revision up to `at`.
std::optional<size_t> KeyVersions::newest_at(int64_t at) const {
  if (mod_main_ <= at) return revision_count() - 1;
  if (!older_) return std::nullopt;
  const auto& revisions = older_->revisions;
  auto after = std::upper_bound(revisions.begin(), revisions.end(), at,
                                [](int64_t main, const Past& old) { return main < old.main; });
  if (after == revisions.begin()) return std::nullopt;
  return static_cast<size_t>(after - 1 - revisions.begin());
}

KeyVersions::Left KeyVersions::compact(int64_t at, std::optional<RevisionPair>& kept) {
  kept.reset();
  const std::optional<size_t> newest = newest_at(at);
  if (!newest) return Left::something;
  const Past old = at_position(*newest);
  if (old.tombstone && (old.main < at || mutant("mvcc.compaction_drops_tombstone_at_revision"))) {
    if (*newest + 1 == revision_count()) return Left::nothing;
    drop_before(*newest + 1);
    return Left::something;
  }
  if (!(mutant("mvcc.compaction_drops_live_revision") && old.main == at)) kept = RevisionPair{old.main, old.sub};
  drop_before(*newest);
  return Left::something;
}

std::optional<RevisionPair> KeyVersions::keep(int64_t at) const {
  const std::optional<size_t> newest = newest_at(at);
  if (!newest) return std::nullopt;
  const Past old = at_position(*newest);
  if (old.tombstone) return std::nullopt;
  return RevisionPair{old.main, old.sub};
}

void KeyVersions::drop_before(size_t position) {
  if (!older_ || position == 0) return;
  auto& revisions = older_->revisions;
  if (position >= revisions.size()) {
    older_.reset();
    return;
  }
  revisions.erase(revisions.begin(), revisions.begin() + static_cast<ptrdiff_t>(position));
  if (revisions.capacity() > 4 * revisions.size()) revisions.shrink_to_fit();
  std::erase_if(older_->ended, [&](const Ended& ended) { return ended.tombstone < position; });
  for (Ended& ended : older_->ended) ended.tombstone -= position;
}

}  // namespace holdfast::mvcc
