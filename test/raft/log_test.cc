// The log in its parts: shared runs of entries, memory storage, the unstable end, and the whole.
// Each against a vector.
#include "raft/log.h"

#include <string>
#include <vector>

#include "base/random.h"
#include "gtest/gtest.h"
#include "raft/codec.h"
#include "test/raft/cluster.h"

namespace holdfast::raft {
namespace {

Entry entry(uint64_t index, uint64_t term, std::string_view data = "x") {
  return {.term = Term(term), .index = Index(index), .data = SharedBytes(data)};
}

Entries run(uint64_t first, std::vector<uint64_t> terms) {
  std::vector<Entry> entries;
  for (uint64_t term : terms) entries.push_back(entry(first++, term));
  return entries;
}

// A view and what it showed when it was taken: it must never show anything else.
struct Taken {
  Entries view;
  std::vector<Entry> copy;
  explicit Taken(Entries entries) : view(std::move(entries)), copy(view.begin(), view.end()) {}
  bool unchanged() const { return std::equal(view.begin(), view.end(), copy.begin(), copy.end()); }
};

TEST(MemoryStorage, HoldsWhatAVectorWouldHold) {
  Random random(4);
  for (int round = 0; round < 20; ++round) {
    MemoryStorage storage;
    std::vector<Entry> model;  // model[i] at index compacted + 1 + i
    uint64_t compacted = 0;
    uint64_t compacted_term = 0;
    uint64_t term = 1;
    std::vector<Taken> taken;
    for (int step = 0; step < 400; ++step) {
      const uint64_t last = compacted + model.size();
      if (random.chance(1, 2)) {
        // Append, sometimes over what is there, sometimes from before the first entry.
        const uint64_t back = random.chance(1, 4) ? random.below(30) : 0;
        const uint64_t first = std::max<uint64_t>(1, last + 1 - std::min(back, last));
        term += random.below(2);
        std::vector<Entry> entries;
        const uint64_t n = random.below(random.chance(1, 10) ? 3000 : 40) + 1;
        for (uint64_t i = 0; i < n; ++i)
          entries.push_back(entry(first + i, term, std::string(random.below(20), 'd')));
        storage.append(entries);
        for (const Entry& e : entries) {
          if (e.index.value <= compacted) continue;
          model.resize(std::min<size_t>(model.size(), e.index.value - compacted - 1));
          model.push_back(e);
        }
        if (entries.back().index.value > compacted)
          model.resize(entries.back().index.value - compacted);
      } else if (random.chance(1, 3) && !model.empty()) {
        const uint64_t to = compacted + random.below(model.size()) + 1;
        EXPECT_TRUE(storage.compact(Index(to)));
        compacted_term = model[to - compacted - 1].term.value;
        model.erase(model.begin(), model.begin() + static_cast<long>(to - compacted));
        compacted = to;
      }
      ASSERT_EQ(storage.first_index(), Index(compacted + 1));
      ASSERT_EQ(storage.last_index(), Index(compacted + model.size()));
      ASSERT_EQ(*storage.term(Index(compacted)), Term(compacted_term));
      if (model.empty()) continue;
      const uint64_t a = random.below(model.size());
      const uint64_t b = a + 1 + random.below(model.size() - a);
      const uint64_t limit = random.chance(1, 3) ? kNoLimit : random.below(2000);
      const auto found = storage.entries(Index(compacted + 1 + a), Index(compacted + 1 + b), limit);
      ASSERT_TRUE(found.ok());
      std::vector<Entry> expected;
      uint64_t size = 0;
      for (uint64_t i = a; i < b; ++i) {
        size += encoded_size(model[i]);
        if (size > limit && !expected.empty()) break;
        expected.push_back(model[i]);
      }
      ASSERT_TRUE(*found == Entries(expected));
      ASSERT_EQ(*storage.term(Index(compacted + 1 + a)), model[a].term);
      if (taken.size() < 50) taken.emplace_back(*found);
    }
    for (const Taken& t : taken) ASSERT_TRUE(t.unchanged());
  }
}

TEST(MemoryStorage, NamesWhatItDoesNotHave) {
  MemoryStorage storage;
  EXPECT_EQ(storage.first_index(), Index(1));
  EXPECT_EQ(storage.last_index(), Index(0));
  storage.append(run(1, {1, 1, 2, 3}));
  EXPECT_TRUE(storage.compact(Index(2)));
  EXPECT_FALSE(storage.compact(Index(2)));
  EXPECT_TRUE(storage.entries(Index(2), Index(4), kNoLimit).is(StorageError::compacted));
  EXPECT_TRUE(storage.term(Index(1)).is(StorageError::compacted));
  EXPECT_TRUE(storage.term(Index(5)).is(StorageError::unavailable));
  EXPECT_EQ(text(StorageError::compacted), "requested index is unavailable due to compaction");
}

TEST(MemoryStorage, SnapshotsOnlyMoveForward) {
  MemoryStorage storage;
  storage.append(run(1, {1, 1, 2, 3}));
  const ConfState members{.voters = {MemberId(1)}};
  const auto made = storage.create_snapshot(Index(3), &members, SharedBytes("state"));
  ASSERT_TRUE(made.ok());
  EXPECT_EQ((*made)->metadata.term, Term(2));
  EXPECT_EQ(storage.initial_state().conf_state, members);
  EXPECT_TRUE(
      storage.create_snapshot(Index(3), nullptr, {}).is(StorageError::snapshot_out_of_date));
  EXPECT_EQ(storage.first_index(), Index(1));
  Snapshot old;
  old.metadata.index = Index(2);
  EXPECT_FALSE(storage.apply_snapshot(old));
  Snapshot later;
  later.metadata = {members, Index(9), Term(4)};
  EXPECT_TRUE(storage.apply_snapshot(later));
  EXPECT_EQ(storage.first_index(), Index(10));
  EXPECT_EQ(storage.last_index(), Index(9));
  EXPECT_EQ(*storage.term(Index(9)), Term(4));
}

TEST(Unstable, HoldsWhatAVectorWouldHold) {
  RecordingLogger logger;
  Random random(5);
  for (int round = 0; round < 50; ++round) {
    uint64_t offset = random.below(10) + 1;
    Unstable unstable(Index(offset), logger);
    std::vector<Entry> model;
    uint64_t in_progress = offset;
    uint64_t term = 1;
    std::vector<Taken> taken;
    for (int step = 0; step < 300; ++step) {
      switch (random.below(5)) {
        case 0: {
          term += random.below(2);
          const uint64_t n = random.below(10) + 1;
          std::vector<Entry> proposals(n, Entry{.data = SharedBytes("p")});
          unstable.append_proposals(proposals, Term(term), Index(offset + model.size()));
          for (uint64_t i = 0; i < n; ++i) model.push_back(entry(offset + model.size(), term, "p"));
          break;
        }
        case 1: {
          // From a leader: may replace some, or all and more.
          ++term;
          const uint64_t last = offset + model.size() - 1;
          const uint64_t first = std::max<uint64_t>(1, last + 1 - std::min(last, random.below(12)));
          const Entries entries = run(first, std::vector<uint64_t>(random.below(8) + 1, term));
          unstable.truncate_and_append(entries);
          if (first <= offset && first != offset + model.size()) {
            model.clear();
            offset = first;
            in_progress = first;
          }
          model.resize(std::min<size_t>(model.size(), first - offset));
          in_progress = std::min(in_progress, first);
          model.insert(model.end(), entries.begin(), entries.end());
          break;
        }
        case 2:
          taken.emplace_back(unstable.next_entries());
          unstable.accept_in_progress();
          in_progress = std::max(in_progress, offset + model.size());
          if (model.empty()) in_progress = std::max(in_progress, offset);
          break;
        case 3: {
          if (model.empty()) break;
          const uint64_t n = random.below(model.size()) + 1;
          unstable.stable_to({model[n - 1].term, model[n - 1].index});
          model.erase(model.begin(), model.begin() + static_cast<long>(n));
          offset += n;
          in_progress = std::max(in_progress, offset);
          break;
        }
        default: {
          // A term that does not match says nothing.
          if (!model.empty()) unstable.stable_to({model[0].term + 1, model[0].index});
          break;
        }
      }
      ASSERT_EQ(unstable.offset(), Index(offset));
      ASSERT_EQ(unstable.size(), model.size());
      ASSERT_EQ(unstable.offset_in_progress(), Index(in_progress));
      ASSERT_TRUE(unstable.slice(Index(offset), Index(offset + model.size())) == Entries(model));
      ASSERT_EQ(unstable.next_entries().size(), offset + model.size() - in_progress);
      if (random.chance(1, 3))
        taken.emplace_back(unstable.slice(Index(offset), Index(offset + model.size())));
    }
    for (const Taken& t : taken) ASSERT_TRUE(t.unchanged());
  }
}

struct Whole {
  explicit Whole(uint64_t limit = kNoLimit) : log(storage, logger, limit) {}
  MemoryStorage storage;
  RecordingLogger logger;
  Log log;
};

TEST(Log, AppendsOnlyBehindAMatch) {
  struct Case {
    EntryId previous;
    Entries entries;
    uint64_t committed;
    std::optional<uint64_t> last;  // nothing: refused
    std::vector<uint64_t> terms;   // of the log afterwards
    uint64_t committed_after;
  };
  // The log is 1 2 3, the first of them committed.
  for (const Case& c : std::initializer_list<Case>{
           {{Term(2), Index(3)}, run(4, {4}), 3, std::nullopt, {1, 2, 3}, 1},
           {{Term(3), Index(4)}, run(5, {4}), 3, std::nullopt, {1, 2, 3}, 1},
           {{Term(3), Index(3)}, {}, 3, 3, {1, 2, 3}, 3},
           {{Term(3), Index(3)}, {}, 9, 3, {1, 2, 3}, 3},
           {{Term(3), Index(3)}, {}, 0, 3, {1, 2, 3}, 1},
           {{}, {}, 3, 0, {1, 2, 3}, 1},
           {{Term(3), Index(3)}, run(4, {4}), 4, 4, {1, 2, 3, 4}, 4},
           {{Term(3), Index(3)}, run(4, {4, 4}), 4, 5, {1, 2, 3, 4, 4}, 4},
           {{Term(2), Index(2)}, run(3, {4}), 3, 3, {1, 2, 4}, 3},
           {{Term(1), Index(1)}, run(2, {4, 4}), 3, 3, {1, 4, 4}, 3},
           // Entries that are there already do not cut off what is behind them.
           {{Term(1), Index(1)}, run(2, {2}), 2, 2, {1, 2, 3}, 2}}) {
    Whole whole;
    whole.log.append(run(1, {1, 2, 3}));
    whole.log.commit_to(Index(1));
    const std::optional<Index> last =
        whole.log.maybe_append(c.previous, c.entries, Index(c.committed));
    ASSERT_EQ(last.has_value(), c.last.has_value());
    if (last) {
      EXPECT_EQ(last->value, *c.last);
    }
    EXPECT_EQ(whole.log.committed(), Index(c.committed_after));
    EXPECT_TRUE(*whole.log.entries(Index(1), kNoLimit) == run(1, c.terms));
  }
}

TEST(LogDeathTest, CommittedEntriesAreNotReplaced) {
  Whole whole;
  whole.log.append(run(1, {1, 2, 3}));
  whole.log.commit_to(Index(2));
  EXPECT_DEATH(whole.log.maybe_append({Term(1), Index(1)}, run(2, {3}), Index(2)),
               "entry 2 conflict with committed entry \\[committed\\(2\\)\\]");
  EXPECT_DEATH(whole.log.commit_to(Index(4)), "tocommit\\(4\\) is out of range");
}

TEST(Log, GuessesWhereLogsAgree) {
  Whole whole;
  whole.log.append(run(1, {2, 2, 5, 5, 5}));
  EXPECT_EQ(whole.log.find_conflict_by_term(Index(5), Term(5)), (EntryId{Term(5), Index(5)}));
  EXPECT_EQ(whole.log.find_conflict_by_term(Index(5), Term(4)), (EntryId{Term(2), Index(2)}));
  EXPECT_EQ(whole.log.find_conflict_by_term(Index(4), Term(1)), (EntryId{Term(0), Index(0)}));
  // Behind its end the log knows nothing: it may match.
  EXPECT_EQ(whole.log.find_conflict_by_term(Index(9), Term(1)), (EntryId{Term(0), Index(9)}));
}

TEST(Log, OnlyOwnTermsAreCommittedByCounting) {  // RAL-11
  Whole whole;
  whole.log.append(run(1, {1, 2, 2}));
  EXPECT_FALSE(whole.log.maybe_commit({Term(2), Index(1)}));
  EXPECT_TRUE(whole.log.maybe_commit({Term(2), Index(2)}));
  EXPECT_FALSE(whole.log.maybe_commit({Term(2), Index(2)}));
  EXPECT_EQ(whole.log.committed(), Index(2));
}

TEST(Log, MoreUpToDateMeansLaterTermThenLongerLog) {
  Whole whole;
  whole.log.append(run(1, {1, 2, 3}));
  EXPECT_TRUE(whole.log.up_to_date({Term(4), Index(2)}));
  EXPECT_FALSE(whole.log.up_to_date({Term(2), Index(9)}));
  EXPECT_TRUE(whole.log.up_to_date({Term(3), Index(3)}));
  EXPECT_FALSE(whole.log.up_to_date({Term(3), Index(2)}));
}

TEST(Log, SlicesAreTheSameWhereverTheEntriesAre) {
  Random random(6);
  std::vector<Entry> model;
  for (uint64_t i = 1; i <= 40; ++i)
    model.push_back(entry(i, 1 + i / 10, std::string(random.below(30), 'v')));
  for (uint64_t stable = 0; stable <= 40; stable += 5) {
    MemoryStorage storage;
    storage.append(std::vector<Entry>(model.begin(), model.begin() + static_cast<long>(stable)));
    RecordingLogger logger;
    Log log(storage, logger, kNoLimit);
    log.append(std::vector<Entry>(model.begin() + static_cast<long>(stable), model.end()));
    for (int i = 0; i < 500; ++i) {
      const uint64_t low = random.below(40);
      const uint64_t high = low + 1 + random.below(40 - low);
      const uint64_t limit = random.chance(1, 4) ? kNoLimit : random.below(500);
      std::vector<Entry> expected;
      uint64_t size = 0;
      for (uint64_t k = low; k < high; ++k) {
        size += encoded_size(model[k]);
        if (size > limit && !expected.empty()) break;
        expected.push_back(model[k]);
      }
      ASSERT_TRUE(*log.slice(Index(low + 1), Index(high + 1), limit) == Entries(expected));
    }
  }
}

TEST(Log, HandsOutCommittedEntriesWithinTheLimit) {
  Whole whole(2 * encoded_size(entry(1, 1)));
  whole.log.append(run(1, {1, 1, 1, 1, 1}));
  whole.log.commit_to(Index(5));
  // Not stable yet.
  EXPECT_FALSE(whole.log.has_next_committed(AllowUnstable::no));
  const Entries first = whole.log.next_committed(AllowUnstable::yes);
  EXPECT_EQ(first.size(), 2u);
  whole.log.accept_applying(Index(2), encoded_size(first), AllowUnstable::yes);
  EXPECT_FALSE(whole.log.has_next_committed(AllowUnstable::yes));
  whole.log.applied_to(Index(1), encoded_size(entry(1, 1)));
  EXPECT_EQ(whole.log.next_committed(AllowUnstable::yes).size(), 1u);
  EXPECT_EQ(whole.log.applied(), Index(1));
  EXPECT_EQ(whole.log.applying(), Index(2));
}

TEST(Log, StartsOverFromASnapshot) {
  Whole whole;
  whole.log.append(run(1, {1, 1}));
  auto snapshot = std::make_shared<Snapshot>();
  snapshot->metadata.index = Index(10);
  snapshot->metadata.term = Term(3);
  whole.log.restore(snapshot);
  EXPECT_EQ(whole.log.first_index(), Index(11));
  EXPECT_EQ(whole.log.last_id(), (EntryId{Term(3), Index(10)}));
  EXPECT_EQ(whole.log.committed(), Index(10));
  EXPECT_TRUE(whole.log.term(Index(9)).is(StorageError::compacted));
  EXPECT_TRUE(whole.log.term(Index(11)).is(StorageError::unavailable));
  // Nothing is applied before the snapshot is.
  whole.log.append(run(11, {3}));
  whole.log.commit_to(Index(11));
  EXPECT_FALSE(whole.log.has_next_committed(AllowUnstable::yes));
  whole.log.stable_snapshot_to(Index(10));
  whole.log.applied_to(Index(10), 0);
}

}  // namespace
}  // namespace holdfast::raft
