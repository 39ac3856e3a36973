// The store as a list of everything that ever happened: what each answer should be, found the slow
// way.
#pragma once

#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "backend/revision_key.h"
#include "base/crc32c.h"
#include "mvcc/key_index.h"
#include "mvcc/key_value.h"

namespace holdfast::mvcc {

class StoreOracle {
 public:
  struct Record {
    bool tombstone = false;
    KeyValue pair;  // of a tombstone only the key
  };
  int64_t current = 1;
  int64_t compacted = -1;

  // A transaction: begin(), put() and erase(), end().
  void begin() { sub_ = 0; }
  void put(const std::string& key, const std::string& value, LeaseId lease) {
    const std::optional<KeyValue> old = get(key, current + 1);
    add({false,
         {key, value, old ? old->create_revision : Revision(current + 1), Revision(current + 1),
          old ? old->version + 1 : 1, lease}});
  }
  int64_t erase(const std::string& key, const std::string& end) {
    const std::vector<KeyValue> found = range(key, end, sub_ > 0 ? current + 1 : current);
    for (const KeyValue& kv : found) add({true, {.key = kv.key}});
    return static_cast<int64_t>(found.size());
  }
  void end() {
    if (sub_ > 0) ++current;
  }

  std::optional<KeyValue> get(const std::string& key, int64_t at) const {
    auto it = by_key_.find(key);
    if (it == by_key_.end()) return std::nullopt;
    const Record* newest = nullptr;
    for (RevisionPair revision : it->second)
      if (revision.main <= at) newest = &all_.at(revision);
    if (newest == nullptr || newest->tombstone) return std::nullopt;
    return newest->pair;
  }
  std::vector<KeyValue> range(const std::string& key, const std::string& end, int64_t at) const {
    std::vector<KeyValue> found;
    for (auto it = by_key_.lower_bound(key); it != by_key_.end(); ++it) {
      if (end.empty() ? it->first != key : !before_end(it->first, end)) break;
      if (auto kv = get(it->first, at)) found.push_back(*kv);
    }
    return found;
  }

  // All records that a compaction at `at` leaves are those above, and these (etcd key_index.go
  // doCompact).
  std::set<RevisionPair> kept(int64_t at, bool also_tombstone) const {
    std::set<RevisionPair> result;
    for (const auto& [key, revisions] : by_key_) {
      // The first generation that doesn't end before `at`; in it, the newest revision up to `at`.
      std::vector<RevisionPair> generation;
      for (size_t i = 0; i < revisions.size(); ++i) {
        const RevisionPair revision = revisions[i];
        generation.push_back(revision);
        if (!all_.at(revision).tombstone) continue;
        const bool put_again = i + 1 < revisions.size() && revisions[i + 1].main <= at;
        if (revision.main >= at && !put_again) break;
        generation.clear();
      }
      for (auto it = generation.rbegin(); it != generation.rend(); ++it) {
        if (it->main > at) continue;
        if (also_tombstone || !all_.at(*it).tombstone) result.insert(*it);
        break;
      }
    }
    return result;
  }
  void compact(int64_t at) {
    compacted = at;
    const std::set<RevisionPair> stays = kept(at, true);
    std::erase_if(stored_, [&](RevisionPair r) { return r.main <= at && !stays.contains(r); });
  }
  uint32_t hash(int64_t at) const {
    const std::set<RevisionPair> stays = kept(at, false);
    uint32_t crc = crc32c("key");
    for (RevisionPair revision : stored_) {
      const Record& record = all_.at(revision);
      if (revision.main > at) break;
      if (revision.main <= compacted && !stays.empty() && !stays.contains(revision)) continue;
      if (revision.main == compacted && record.tombstone) continue;
      crc = crc32c_extend(crc, backend::RevisionKeyBytes(RevisionKey{revision, record.tombstone}));
      const KeyValue& kv = record.pair;
      crc = crc32c_extend(
          crc,
          encode(KeyValueView{
              kv.key, kv.value, kv.create_revision, kv.mod_revision, kv.version, kv.lease, {}}));
    }
    return crc;
  }
  const std::set<RevisionPair>& stored() const { return stored_; }

 private:
  void add(Record record) {
    const RevisionPair revision{current + 1, sub_++};
    by_key_[record.pair.key].push_back(revision);
    stored_.insert(revision);
    all_.emplace(revision, std::move(record));
  }

  std::map<RevisionPair, Record> all_;
  std::map<std::string, std::vector<RevisionPair>> by_key_;
  std::set<RevisionPair> stored_;  // what compactions left
  int64_t sub_ = 0;
};

}  // namespace holdfast::mvcc
