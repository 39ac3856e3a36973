// What raft reads of its stable log. Writing is the caller's: it does what a Ready or
// MsgStorageAppend says.
#pragma once

#include <cstdint>
#include <deque>
#include <limits>
#include <memory>
#include <string_view>
#include <utility>
#include <variant>

#include "base/check.h"
#include "raft/entries.h"
#include "raft/types.h"

namespace holdfast::raft {

inline constexpr uint64_t kNoLimit = std::numeric_limits<uint64_t>::max();

// Ordinary outcomes that raft acts on. A storage that cannot read what it holds must end the
// process instead: raft cannot go on without its log.
enum class StorageError : uint8_t {
  compacted,                         // the index lies before the first entry
  unavailable,                       // the index lies behind the last entry
  snapshot_out_of_date,              // older than the snapshot held
  snapshot_temporarily_unavailable,  // ask again later
};
// etcd's text.
std::string_view text(StorageError error);

template <class T>
class [[nodiscard]] StorageResult {
 public:
  StorageResult(T value) : outcome_(std::move(value)) {}  // NOLINT(google-explicit-constructor)
  StorageResult(StorageError error) : outcome_(error) {}  // NOLINT(google-explicit-constructor)

  bool ok() const { return outcome_.index() == 0; }
  const T& operator*() const {
    CHECK(ok(), "{}", text(std::get<1>(outcome_)));
    return std::get<0>(outcome_);
  }
  T& operator*() {
    CHECK(ok(), "{}", text(std::get<1>(outcome_)));
    return std::get<0>(outcome_);
  }
  const T* operator->() const { return &**this; }
  T value_or(T other) const { return ok() ? std::get<0>(outcome_) : std::move(other); }
  StorageError error() const { return std::get<1>(outcome_); }
  bool is(StorageError error) const { return !ok() && std::get<1>(outcome_) == error; }

 private:
  std::variant<T, StorageError> outcome_;
};

// All calls come from the thread that owns the node, inside its methods. An entry counts as stable,
// and must be visible here, no later than its MsgStorageAppendResp (or advance()) is handed to the
// node; entries may be visible earlier.
class Storage {
 public:
  struct InitialState {
    HardState hard_state;
    ConfState conf_state;
  };

  virtual ~Storage() = default;

  virtual InitialState initial_state() const = 0;
  // Entries [low, high): as many from the front as fit in max_size bytes of encoding (encoded_size
  // in codec.h), but at least one. Errors: compacted, unavailable.
  virtual StorageResult<Entries> entries(Index low, Index high, uint64_t max_size) const = 0;
  // For index in [first_index() - 1, last_index()]: the term just before the first entry is kept
  // for matching. Errors: compacted, unavailable.
  virtual StorageResult<Term> term(Index index) const = 0;
  // The first entry that may still be read; last_index() + 1 if there is none.
  virtual Index first_index() const = 0;
  virtual Index last_index() const = 0;
  // The latest snapshot, to be sent to a follower. Errors: snapshot_temporarily_unavailable.
  virtual StorageResult<std::shared_ptr<const Snapshot>> snapshot() const = 0;
};

// A log in memory, in front of the write-ahead log. Not thread-safe. Compaction costs nothing per
// entry that stays: entries live in blocks, and blocks are dropped whole.
class MemoryStorage : public Storage {
 public:
  MemoryStorage();

  InitialState initial_state() const override;
  StorageResult<Entries> entries(Index low, Index high, uint64_t max_size) const override;
  StorageResult<Term> term(Index index) const override;
  Index first_index() const override { return compacted_index_ + 1; }
  Index last_index() const override;
  StorageResult<std::shared_ptr<const Snapshot>> snapshot() const override { return snapshot_; }

  void set_hard_state(const HardState& state) { hard_state_ = state; }

  // Replaces everything by the snapshot. False (and no change) if it is not newer than the one
  // held.
  [[nodiscard]] bool apply_snapshot(Snapshot snapshot);

  // Appends, replacing entries at and behind entries[0].index. What lies before first_index() is
  // left out; a gap behind last_index() ends the process.
  void append(const Entries& entries);

  // Makes the snapshot at `index`, an entry held. conf_state null: that of the last snapshot.
  // Errors: snapshot_out_of_date.
  StorageResult<std::shared_ptr<const Snapshot>> create_snapshot(Index index,
                                                                 const ConfState* conf_state,
                                                                 SharedBytes data);

  // Drops the entries up to and including `index`, which must be applied and held. Errors: false if
  // already compacted.
  [[nodiscard]] bool compact(Index index);

 private:
  struct Block {
    EntryBlock entries;
    Index first;         // log index of entries[0]
    uint64_t bytes = 0;  // payload held
    size_t used = 0;  // entries that belong to the log; the block may hold more after a truncation
  };

  size_t block_of(Index index) const;
  Term term_at(Index index) const;
  void truncate_from(Index index);
  void push(const Entry& entry);

  HardState hard_state_;
  std::shared_ptr<const Snapshot> snapshot_;
  // The entry before first_index(): only its id is kept.
  Index compacted_index_;
  Term compacted_term_;
  std::deque<Block> blocks_;
};

}  // namespace holdfast::raft
