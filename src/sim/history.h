// What clients saw: each operation, when it was asked and answered, and how it ended.
#pragma once

#include <cstdint>
#include <limits>
#include <string>
#include <vector>

#include "base/types.h"
#include "sim/kv_model.h"

namespace holdfast::sim {

enum class Outcome : uint8_t {
  ok,
  unknown,          // may have happened, may happen later, may never happen
  refused,          // certainly did not happen
  compacted,        // a read of a revision that was compacted away, or a compaction of it
  future_revision   // a read of a revision that does not exist yet
};

inline constexpr int64_t kNeverReturned = std::numeric_limits<int64_t>::max();

struct HistoryEntry {
  int client = 0;
  MemberId member;        // that was asked
  KvOp op;
  // Steps of one counter, so that no two are equal.
  int64_t invoked = 0;
  int64_t returned = kNeverReturned;
  Outcome outcome = Outcome::unknown;
  KvResult result;        // if ok
};

std::string describe(const HistoryEntry& entry);

using History = std::vector<HistoryEntry>;

class HistoryRecorder {
 public:
  size_t invoke(int client, MemberId member, KvOp op);
  void finish(size_t entry, Outcome outcome, KvResult result = {});
  const History& history() const { return history_; }

 private:
  History history_;
  int64_t step_ = 0;
};

}  // namespace holdfast::sim
