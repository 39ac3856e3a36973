#include "mvcc/key_versions.h"

#include <algorithm>
#include <cstddef>
#include <cstring>
#include <new>

#include "base/check.h"

namespace holdfast::mvcc {

KeyVersions::Pointer KeyVersions::create(std::string_view key) {
  CHECK(key.size() < (size_t{1} << 31));
  const size_t bytes = std::max(offsetof(KeyVersions, key_) + key.size(), sizeof(KeyVersions));
  auto* entry = new (::operator new(bytes)) KeyVersions(key.size());
  std::memcpy(entry->key_, key.data(), key.size());
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
                                [](int64_t main, const Old& old) { return main < old.main; });
  if (after == revisions.begin()) return false;
  const Old& found = *(after - 1);
  if (found.tombstone) return false;
  const size_t position = static_cast<size_t>(after - 1 - revisions.begin());
  state.modified = {found.main, found.sub};
  auto end = std::lower_bound(older_->ended.begin(), older_->ended.end(), position,
                              [](const Ended& e, size_t p) { return e.tombstone < p; });
  if (end != older_->ended.end()) {
    state.created = end->created;
    state.version = end->version - static_cast<int64_t>(end->tombstone - 1 - position);
  } else {
    // In the generation of the newest revision; its last put is the newest itself or, before a tombstone, the last old.
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

// The first generation that ends with a tombstone at or after `at`, or else the living one; none if the key was dead
// before `at` and still is.
std::optional<KeyVersions::Generation> KeyVersions::generation_for(int64_t at) const {
  size_t begin = 0;
  if (older_) {
    for (const Ended& ended : older_->ended) {
      if (older_->revisions[ended.tombstone].main >= at)
        return Generation{begin, ended.tombstone + 1};
      begin = ended.tombstone + 1;
    }
  }
  if (ended_ && mod_main_ < at) return std::nullopt;
  return Generation{begin, revision_count()};
}

std::optional<size_t> KeyVersions::newest_in(const Generation& generation, int64_t at) const {
  size_t low = generation.begin;
  size_t high = generation.end;
  while (low < high) {
    const size_t middle = low + (high - low) / 2;
    if (at_position(middle).main <= at) {
      low = middle + 1;
    } else {
      high = middle;
    }
  }
  if (low == generation.begin) return std::nullopt;
  return low - 1;
}

KeyVersions::Left KeyVersions::compact(int64_t at, std::optional<RevisionPair>& kept) {
  kept.reset();
  const std::optional<Generation> generation = generation_for(at);
  if (!generation) return Left::nothing;
  const std::optional<size_t> newest = newest_in(*generation, at);
  if (newest) {
    const Old old = at_position(*newest);
    kept = RevisionPair{old.main, old.sub};
  }
  drop_before(newest.value_or(generation->begin));
  return Left::something;
}

std::optional<RevisionPair> KeyVersions::keep(int64_t at) const {
  const std::optional<Generation> generation = generation_for(at);
  if (!generation) return std::nullopt;
  const std::optional<size_t> newest = newest_in(*generation, at);
  if (!newest) return std::nullopt;
  const Old old = at_position(*newest);
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
