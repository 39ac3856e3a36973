#include "sim/linearizability_search.h"

#include <algorithm>
#include <vector>

#include "absl/container/flat_hash_set.h"
#include "base/check.h"

namespace holdfast::sim {

namespace {

class OrderSearch {
 public:
  explicit OrderSearch(const History& history) {
    for (const HistoryEntry& e : history) {
      if (e.op.kind == KvKind::compact) continue;
      if (e.op.kind == KvKind::range && (e.op.serializable || e.op.revision > 0)) continue;
      if (e.outcome == Outcome::ok || (e.outcome == Outcome::unknown && e.op.writes()))
        operations_.push_back(&e);
    }
    CHECK(operations_.size() <= 64);
  }

  bool search(uint64_t placed) {
    int64_t earliest_return = kNeverReturned;
    bool all_returned_placed = true;
    for (size_t i = 0; i < operations_.size(); ++i) {
      if (placed >> i & 1 || operations_[i]->outcome != Outcome::ok) continue;
      all_returned_placed = false;
      earliest_return = std::min(earliest_return, operations_[i]->returned);
    }
    if (all_returned_placed) return true;
    if (!visited_.insert({placed, model_.hash()}).second) return false;
    for (size_t i = 0; i < operations_.size(); ++i) {
      const HistoryEntry& e = *operations_[i];
      if (placed >> i & 1 || e.invoked > earliest_return) continue;
      const int64_t before = model_.revision();
      const KvResult result = model_.apply(e.op);
      if ((e.outcome == Outcome::unknown || result == e.result) && search(placed | uint64_t{1} << i))
        return true;
      model_.rollback(before);
    }
    return false;
  }

 private:
  std::vector<const HistoryEntry*> operations_;
  KvModel model_;
  absl::flat_hash_set<std::pair<uint64_t, uint64_t>> visited_;
};

}  // namespace

Verdict search_linearization(const History& history) {
  return OrderSearch(history).search(0) ? Verdict{} : Verdict::violation("no order explains the answers");
}

}  // namespace holdfast::sim
