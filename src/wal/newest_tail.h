// The tail of the snapshot that counts, found in one reading, while the log still has to tell which snapshot that is: the
// newest whose index is committed in the end (WAL-14).
//
// The tail of the snapshot that counts as far as the log has been read is kept, and those of snapshots that are noted but
// beyond the commit index: a received one is for a moment, or for long if the power failed in that moment. (Tails share
// their entries' bytes.) Entries that a snapshot covers go when it counts. So what is held is at most what a start would
// have held if the log had ended there.
//
// No log that a member writes needs more. Whatever else is met (a gap, damage, a commit index that went back) gives up the
// tail rather than guess, and whoever asks for it reads the log again from the snapshot that is known by then.
#pragma once

#include <optional>
#include <vector>

#include "wal/tail.h"

namespace holdfast::wal {

class NewestTail {
 public:
  // `first`: index of the first entry that the segments may hold whose entries will be shown.
  explicit NewestTail(Index first);

  void append(raft::Entry entry, const Decoder& decoder);
  void on_malformed_entry();
  void on_snapshot(const SnapshotRecord& snapshot, Index committed);
  void on_committed(Index committed);

  // At the end; `newest` is the one that counts. Nothing if its tail was not kept.
  std::optional<Tail> take(const SnapshotRecord& newest);

 private:
  // Each needs a power cut between two syncs, before any later snapshot counts. The oldest goes.
  static constexpr size_t kNotedMax = 8;

  std::optional<Tail> behind_nearest(const SnapshotRecord& snapshot) const;

  Index counts_;                  // index of the snapshot that counts so far
  std::optional<Tail> counting_;  // its tail; nothing: given up
  std::vector<Tail> noted_;       // of snapshots beyond the commit index, in the order of the log
};

}  // namespace holdfast::wal
