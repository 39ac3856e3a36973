#include "sim/acknowledged_writes.h"

#include <map>

#include "fmt/format.h"

namespace holdfast::sim {

namespace {

// Calls see(key, value or null) for each key that the operation certainly changed.
template <class See>
void visit_changes(const KvOp& op, const KvResult& result, See see) {
  if (op.kind == KvKind::put) return see(op.key, &op.value);
  if (op.kind == KvKind::delete_range && op.end.empty() && result.count > 0) return see(op.key, nullptr);
  if (op.kind != KvKind::txn) return;
  const std::vector<KvOp>& ops = result.succeeded ? op.then_ops : op.else_ops;
  for (size_t i = 0; i < ops.size() && i < result.children.size(); ++i)
    visit_changes(ops[i], result.children[i], see);
}

}  // namespace

Verdict check_acknowledged(const History& history, const std::vector<KvPair>& pairs, int64_t revision) {
  std::map<std::string, const KvPair*> present;
  for (const KvPair& pair : pairs) {
    if (pair.mod_revision > revision)
      return Verdict::violation(fmt::format("{} is newer than the store: {} > {}", pair.key, pair.mod_revision, revision));
    present[pair.key] = &pair;
  }
  for (const HistoryEntry& e : history) {
    if (e.outcome != Outcome::ok || !e.op.writes() || !e.result.changed(e.op)) continue;
    const int64_t at = e.result.revision;
    if (at > revision)
      return Verdict::violation(fmt::format("an acknowledged change is lost, the store ends at {}: {}", revision, describe(e)));
    std::string lost;
    visit_changes(e.op, e.result, [&](const std::string& key, const std::string* value) {
      auto found = present.find(key);
      const KvPair* pair = found == present.end() ? nullptr : found->second;
      // Absent after a put: somebody deleted it later, which linearizability looks into. Older than the change: lost.
      if (pair == nullptr) return;
      if (pair->mod_revision < at) lost = fmt::format("{} has mod revision {}", key, pair->mod_revision);
      if (pair->mod_revision == at && value != nullptr && pair->value != *value && e.op.kind == KvKind::put)
        lost = fmt::format("{} has another value", key);
      if (pair->mod_revision == at && value == nullptr && e.op.kind == KvKind::delete_range)
        lost = fmt::format("{} was deleted then", key);
    });
    if (!lost.empty())
      return Verdict::violation(fmt::format("an acknowledged change is lost: {}; {}", lost, describe(e)));
  }
  return {};
}

}  // namespace holdfast::sim
