#include "sim/linearizability.h"

#include <algorithm>
#include <map>
#include <optional>
#include <string_view>
#include <vector>

#include "absl/container/flat_hash_set.h"
#include "fmt/format.h"

namespace holdfast::sim {

namespace {

bool is_serializable(const HistoryEntry& e) {
  return e.op.kind == KvKind::range && e.op.serializable;
}

bool is_ordered_read(const HistoryEntry& e) {
  return e.outcome == Outcome::ok && e.op.kind != KvKind::compact && !is_serializable(e) &&
         !e.result.changed(e.op);
}

// What is known of the change that made one revision.
struct Slot {
  const HistoryEntry* change = nullptr;      // acknowledged
  std::vector<const HistoryEntry*> reads;    // saw exactly this revision
  std::vector<const HistoryEntry*> relaxed;  // serializable: saw it, but it may have been old by then
  int64_t earliest_return_from_here = kNeverReturned;
  std::vector<const KvPair*> evidence;       // pairs seen with this as their mod_revision
  std::vector<const HistoryEntry*> candidates;  // for a gap
  std::vector<int64_t> still_read;  // earlier revisions that reads ask for which were answered at this one or later
};

bool puts(const KvOp& op, const KvPair& pair) {
  if (op.kind == KvKind::put) return op.key == pair.key && op.value == pair.value;
  for (const auto* ops : {&op.then_ops, &op.else_ops})
    for (const KvOp& child : *ops)
      if (puts(child, pair)) return true;
  return false;
}

bool covers(const KvOp& op, const std::string& key) {
  if (op.end.empty()) return op.key == key;
  return key >= op.key && (op.end == std::string_view("\0", 1) || key < op.end);
}

// Could the operation have made this change, among others?
bool makes(const KvOp& op, const WatchEvent& event) {
  const bool put = event.type == WatchEvent::Type::put;
  switch (op.kind) {
    case KvKind::put: return put && op.key == event.key && op.value == event.value;
    case KvKind::delete_range: return !put && covers(op, event.key);
    case KvKind::range:
    case KvKind::compact: return false;
    case KvKind::txn: break;
  }
  const auto made = [&event](const KvOp& child) { return makes(child, event); };
  return std::any_of(op.then_ops.begin(), op.then_ops.end(), made) ||
         std::any_of(op.else_ops.begin(), op.else_ops.end(), made);
}

// Those of the past that it names.
std::vector<int64_t> revisions_read(const KvOp& op) {
  if (op.kind == KvKind::range && op.revision > 0) return {op.revision};
  std::vector<int64_t> found;
  for (const auto* ops : {&op.then_ops, &op.else_ops})
    for (const KvOp& child : *ops)
      for (const int64_t revision : revisions_read(child)) found.push_back(revision);
  return found;
}

class Search {
 public:
  Search(const History& history, const LinearizabilityLimits& limits, const ChangesByRevision& changes)
      : history_(history), limits_(limits), changes_(changes) {}

  Verdict run();

 private:
  // A pair as it was at a revision: the key was not changed in (mod, seen_at].
  struct Sighting {
    int64_t mod;
    int64_t seen_at;
  };

  Verdict sort_into_slots();
  void mark_what_is_still_read();
  Verdict check_real_time();
  void gather_evidence();
  void sight(const KvPair& pair, int64_t revision);
  void sight_children(const KvOp& op, const KvResult& result, int64_t before);
  void find_candidates();
  bool ruled_out(const HistoryEntry& unknown, int64_t revision) const;
  Verdict fill();
  // Goes on from the model's revision until a gap or the end. False: an answer does not fit; `why_` says which.
  bool advance();
  bool made_what_is_known() const;
  bool reads_fit(const Slot& slot);
  bool fits(const HistoryEntry& entry);
  uint64_t state_hash(int64_t revision) const;
  Verdict check_relaxed_reads() const;
  Verdict check_compactions() const;

  const History& history_;
  const LinearizabilityLimits limits_;
  const ChangesByRevision& changes_;
  std::vector<Slot> slots_;  // by revision; [1] is the empty store
  std::vector<const HistoryEntry*> unknown_;
  std::map<std::string, std::vector<Sighting>> sightings_;
  KvModel model_;
  absl::flat_hash_set<const HistoryEntry*> used_;
  uint64_t used_hash_ = 0;
  std::string why_;
  int64_t why_revision_ = 0;
};

Verdict Search::sort_into_slots() {
  int64_t last = 1;
  for (const HistoryEntry& e : history_)
    if (e.outcome == Outcome::ok && e.op.kind != KvKind::compact)
      last = std::max(last, e.result.revision);
  // More revisions than operations that could have made them: nonsense, and not worth the memory.
  if (last > static_cast<int64_t>(history_.size()) + 1)
    return Verdict::violation(fmt::format("revision {} seen after {} operations", last, history_.size()));
  slots_.resize(static_cast<size_t>(last) + 1);
  for (const HistoryEntry& e : history_) {
    if (e.outcome == Outcome::unknown && e.op.writes()) unknown_.push_back(&e);
    if (e.outcome != Outcome::ok || e.op.kind == KvKind::compact) continue;
    if (e.result.revision < 1) return Verdict::violation("revision below 1: " + describe(e));
    Slot& slot = slots_[static_cast<size_t>(e.result.revision)];
    if (is_ordered_read(e)) {
      slot.reads.push_back(&e);
    } else if (is_serializable(e)) {
      slot.relaxed.push_back(&e);
    } else if (e.result.changed(e.op)) {
      if (slot.change != nullptr)
        return Verdict::violation(fmt::format("two changes were acknowledged with the same revision:\n  {}\n  {}",
                                              describe(*slot.change), describe(e)));
      if (e.result.revision < 2) return Verdict::violation("a change at revision 1: " + describe(e));
      slot.change = &e;
    }
  }
  mark_what_is_still_read();
  return {};
}

void Search::mark_what_is_still_read() {
  std::map<int64_t, int64_t> answered;  // the last time, by the revision asked for
  for (size_t r = 0; r < slots_.size(); ++r) {
    const auto mark = [&](const HistoryEntry* e) {
      for (const int64_t asked : revisions_read(e->op)) answered[asked] = static_cast<int64_t>(r);
    };
    for (const auto* reads : {&slots_[r].reads, &slots_[r].relaxed}) std::for_each(reads->begin(), reads->end(), mark);
    if (slots_[r].change != nullptr) mark(slots_[r].change);
  }
  for (const auto& [asked, last] : answered)
    for (int64_t r = asked + 1; r <= last; ++r) slots_[static_cast<size_t>(r)].still_read.push_back(asked);
}

// Answers that came before an operation was asked must stand before it in the order of revisions.
Verdict Search::check_real_time() {
  const HistoryEntry* latest = nullptr;  // asked last of all that stand before
  const auto precedes = [&latest](const HistoryEntry& e) -> Verdict {
    if (latest == nullptr || e.returned > latest->invoked) return {};
    return Verdict::violation(
        fmt::format("an answer is older than one that was known before it was asked for:\n  {}\n  {}",
                    describe(e), describe(*latest)));
  };
  const auto later = [&latest](const HistoryEntry* e) {
    if (latest == nullptr || e->invoked > latest->invoked) latest = e;
  };
  for (const Slot& slot : slots_) {
    if (slot.change != nullptr) {
      if (Verdict v = precedes(*slot.change); v.violated()) return v;
      later(slot.change);
    }
    for (const HistoryEntry* read : slot.reads)
      if (Verdict v = precedes(*read); v.violated()) return v;
    for (const HistoryEntry* read : slot.reads) later(read);
  }
  int64_t earliest = kNeverReturned;
  for (auto slot = slots_.rbegin(); slot != slots_.rend(); ++slot) {
    if (slot->change != nullptr) earliest = std::min(earliest, slot->change->returned);
    for (const auto* reads : {&slot->reads, &slot->relaxed})
      for (const HistoryEntry* read : *reads) earliest = std::min(earliest, read->returned);
    slot->earliest_return_from_here = earliest;
  }
  return {};
}

void Search::sight(const KvPair& pair, int64_t revision) {
  sightings_[pair.key].push_back({pair.mod_revision, revision});
  if (pair.mod_revision > 0 && pair.mod_revision < static_cast<int64_t>(slots_.size()))
    slots_[static_cast<size_t>(pair.mod_revision)].evidence.push_back(&pair);
}

void Search::sight_children(const KvOp& op, const KvResult& result, int64_t before) {
  const std::vector<KvOp>& ops = result.succeeded ? op.then_ops : op.else_ops;
  for (size_t i = 0; i < result.children.size() && i < ops.size(); ++i) {
    const KvResult& child = result.children[i];
    if (ops[i].kind == KvKind::txn) {
      sight_children(ops[i], child, before);
      continue;
    }
    // What the transaction itself wrote is no news.
    for (const KvPair& pair : child.pairs)
      if (pair.mod_revision <= before) sight(pair, before);
  }
}

void Search::gather_evidence() {
  for (const HistoryEntry& e : history_) {
    if (e.outcome != Outcome::ok || e.op.kind == KvKind::compact) continue;
    const int64_t now = e.result.revision;
    const int64_t before = e.result.changed(e.op) ? now - 1 : now;
    if (e.op.kind == KvKind::txn) {
      sight_children(e.op, e.result, before);
    } else {
      const bool of_the_past = e.op.kind == KvKind::range && e.op.revision > 0;
      for (const KvPair& pair : e.result.pairs) sight(pair, of_the_past ? e.op.revision : before);
    }
  }
}

bool Search::ruled_out(const HistoryEntry& unknown, int64_t revision) const {
  const Slot& slot = slots_[static_cast<size_t>(revision)];
  if (unknown.invoked > slot.earliest_return_from_here) return true;
  for (const KvPair* pair : slot.evidence)
    if (!puts(unknown.op, *pair)) return true;
  if (const auto known = changes_.find(revision); known != changes_.end()) {
    for (const WatchEvent& event : known->second)
      if (!makes(unknown.op, event)) return true;
  }
  if (unknown.op.kind != KvKind::put) return false;
  auto sightings = sightings_.find(unknown.op.key);
  if (sightings == sightings_.end()) return false;
  for (const Sighting& s : sightings->second)
    if (s.mod < revision && revision <= s.seen_at) return true;
  return false;
}

void Search::find_candidates() {
  for (size_t r = 2; r < slots_.size(); ++r) {
    if (slots_[r].change != nullptr) continue;
    for (const HistoryEntry* unknown : unknown_)
      if (!ruled_out(*unknown, static_cast<int64_t>(r))) slots_[r].candidates.push_back(unknown);
  }
}

bool Search::reads_fit(const Slot& slot) {
  for (const HistoryEntry* e : slot.reads)
    if (!fits(*e)) return false;
  for (const HistoryEntry* e : slot.relaxed)
    if (!fits(*e)) return false;
  return true;
}

bool Search::fits(const HistoryEntry& e) {
  const int64_t at = e.op.revision;
  if (e.op.kind == KvKind::range && at > model_.revision()) {
    why_ = "a revision was read that did not exist yet: " + describe(e);
    return false;
  }
  const KvResult expected = e.op.kind == KvKind::range
                                ? model_.read(e.op, at > 0 ? at : model_.revision())
                                : model_.apply(e.op);
  if (expected.revision != e.result.revision) model_.rollback(e.result.revision);
  if (expected == e.result) return true;
  if (model_.revision() >= why_revision_) {
    why_revision_ = model_.revision();
    why_ = fmt::format("  {}\n  the model answers {}", describe(e), describe(expected));
  }
  return false;
}

bool Search::advance() {
  const auto last = static_cast<int64_t>(slots_.size()) - 1;
  while (true) {
    const int64_t revision = model_.revision();
    if (!reads_fit(slots_[static_cast<size_t>(revision)])) return false;
    if (revision == last) return true;
    const HistoryEntry* next = slots_[static_cast<size_t>(revision) + 1].change;
    if (next == nullptr) return true;
    const KvResult expected = model_.apply(next->op);
    if (expected == next->result && made_what_is_known()) continue;
    if (revision >= why_revision_) {
      why_revision_ = revision;
      why_ = fmt::format("  {}\n  the model answers {}", describe(*next), describe(expected));
    }
    return false;
  }
}

// Whether the model's last change is what a store says that its revision changed.
bool Search::made_what_is_known() const {
  const auto known = changes_.find(model_.revision());
  if (known == changes_.end()) return true;
  std::map<std::string_view, const WatchEvent*> last;  // of each key
  for (const WatchEvent& event : known->second) last[event.key] = &event;
  for (const std::string& key : model_.last_changed())
    if (!last.contains(key)) return false;
  return std::all_of(last.begin(), last.end(), [this](const auto& entry) {
    const auto& [key, event] = entry;
    const std::optional<KvPair> pair = model_.get(key);
    if (event->type == WatchEvent::Type::erase) return !pair;
    return pair && pair->mod_revision == model_.revision() && pair->value == event->value;
  });
}

// Two states with the same hash lead to the same: what was read of the past after this is part of them.
uint64_t Search::state_hash(int64_t revision) const {
  uint64_t hash = model_.hash();
  for (const int64_t asked : slots_[static_cast<size_t>(revision)].still_read)
    hash = (hash ^ model_.hash_at(asked)) * 0xff51afd7ed558ccd;
  return hash ^ used_hash_ * 0x9e3779b97f4a7c15 ^ static_cast<uint64_t>(revision);
}

// One frame for each gap filled so far.
Verdict Search::fill() {
  struct Frame {
    int64_t revision;  // before the gap
    size_t next = 0;   // candidate to try
    const HistoryEntry* chosen = nullptr;
  };
  const auto last = static_cast<int64_t>(slots_.size()) - 1;
  std::vector<Frame> frames;
  absl::flat_hash_set<uint64_t> dead_ends;
  uint64_t states = 0;
  const auto mark = [this](const HistoryEntry* e, bool use) {
    if (use) used_.insert(e); else used_.erase(e);
    const auto i = static_cast<uint64_t>(e - history_.data()) + 1;
    used_hash_ ^= i * 0xff51afd7ed558ccd ^ (i << 33);
  };
  bool good = advance();
  while (true) {
    if (good && model_.revision() == last) return {};
    if (good && dead_ends.insert(state_hash(model_.revision())).second)
      frames.push_back({model_.revision()});
    good = false;
    while (!good) {
      if (frames.empty())
        return Verdict::violation(fmt::format("no order explains the answers; the furthest got to revision {} of {}:\n{}",
                                              why_revision_, last, why_));
      Frame& frame = frames.back();
      if (frame.chosen != nullptr) mark(std::exchange(frame.chosen, nullptr), false);
      model_.rollback(frame.revision);
      const Slot& gap = slots_[static_cast<size_t>(frame.revision) + 1];
      if (frame.next == gap.candidates.size()) {
        if (frame.revision >= why_revision_) {
          why_revision_ = frame.revision;
          why_ = fmt::format("  revision {} was made by nobody ({} candidates)", frame.revision + 1,
                             gap.candidates.size());
        }
        frames.pop_back();
        continue;
      }
      if (++states > limits_.states_max)
        return {Verdict::Kind::undecided, fmt::format("gave up after {} states", states)};
      const HistoryEntry* candidate = gap.candidates[frame.next++];
      if (used_.contains(candidate)) continue;
      const KvResult result = model_.apply(candidate->op);
      if (!result.changed(candidate->op) || !made_what_is_known()) continue;
      frame.chosen = candidate;
      mark(candidate, true);
      good = advance();
    }
  }
}

// That they fit is part of the search; when each revision existed at the earliest is not: not before its change was
// asked for.
Verdict Search::check_relaxed_reads() const {
  for (const Slot& slot : slots_)
    for (const HistoryEntry* read : slot.relaxed)
      if (slot.change != nullptr && slot.change->invoked > read->returned)
        return Verdict::violation(fmt::format("a serializable read shows the future:\n  {}\n  {}",
                                              describe(*read), describe(*slot.change)));
  return {};
}

Verdict Search::check_compactions() const {
  std::vector<const HistoryEntry*> compactions;
  for (const HistoryEntry& e : history_)
    if (e.op.kind == KvKind::compact && (e.outcome == Outcome::ok || e.outcome == Outcome::unknown))
      compactions.push_back(&e);
  // The highest compaction acknowledged before each step.
  std::vector<std::pair<int64_t, int64_t>> done;  // (returned, revision), rising
  for (const HistoryEntry* c : compactions)
    if (c->outcome == Outcome::ok) done.push_back({c->returned, c->op.revision});
  std::sort(done.begin(), done.end());
  for (size_t i = 1; i < done.size(); ++i) done[i].second = std::max(done[i].second, done[i - 1].second);
  for (const HistoryEntry& e : history_) {
    if (e.op.kind != KvKind::range || e.op.revision <= 0) continue;
    if (e.outcome == Outcome::ok && !e.op.serializable) {
      auto after = std::lower_bound(done.begin(), done.end(), std::pair{e.invoked, int64_t{0}});
      if (after != done.begin() && std::prev(after)->second > e.op.revision)
        return Verdict::violation(fmt::format("a read below the compaction at {}: {}", std::prev(after)->second,
                                              describe(e)));
    }
    if (e.outcome == Outcome::compacted &&
        std::none_of(compactions.begin(), compactions.end(), [&e](const HistoryEntry* c) {
          return c->op.revision > e.op.revision && c->invoked < e.returned;
        }))
      return Verdict::violation("nobody compacted that revision: " + describe(e));
    if (e.outcome == Outcome::future_revision && !e.op.serializable &&
        e.op.revision < static_cast<int64_t>(slots_.size())) {
      const HistoryEntry* change = slots_[static_cast<size_t>(e.op.revision)].change;
      if (change != nullptr && change->returned < e.invoked)
        return Verdict::violation(fmt::format("a revision that was acknowledged is not there:\n  {}\n  {}",
                                              describe(e), describe(*change)));
    }
  }
  return {};
}

Verdict Search::run() {
  if (Verdict v = sort_into_slots(); v.violated()) return v;
  if (Verdict v = check_real_time(); v.violated()) return v;
  gather_evidence();
  find_candidates();
  if (Verdict v = fill(); !v.holds()) return v;
  if (Verdict v = check_relaxed_reads(); v.violated()) return v;
  return check_compactions();
}

}  // namespace

Verdict check_linearizable(const History& history, const LinearizabilityLimits& limits,
                           const ChangesByRevision& changes) {
  return Search(history, limits, changes).run();
}

}  // namespace holdfast::sim
