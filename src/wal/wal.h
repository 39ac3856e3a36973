// The write-ahead log of one member in etcd's format (record.h) and with its behaviour (WAL-01..WAL-14).
//
// Names: {sequence:016x}-{first index:016x}.wal. The last segment is the tail; it has its full length from the start
// (zeros) and is cut back to what was written when the next one begins. All segments a Wal holds are locked against
// other processes, so a purge keeps its hands off them.
//
// Durability: save() returns OK only when the entries, term and vote it was given are on the disk. After any failed
// write or sync the Wal is poisoned: every later call returns the same error, and the caller has to end the process
// (env::Process::die), because nothing is known about the file any more.
//
// Threading: owned by one executor. Only SegmentPreparer may run elsewhere.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/log.h"
#include "env/clock.h"
#include "env/fault_points.h"
#include "env/file_system.h"
#include "env/metrics.h"
#include "raft/types.h"
#include "wal/fault.h"
#include "wal/record.h"
#include "wal/segments.h"

namespace holdfast::wal {

// The world as the log sees it; all must outlive the Wal.
struct World {
  env::FileSystem& files;
  const env::Clock& clock;
  Logger& logger;
  env::Metrics& metrics;
  env::FaultPoints& faults;
};

enum class Fsync : uint8_t { yes, unsafe_no };  // unsafe_no: --unsafe-no-fsync

struct Options {
  uint64_t segment_bytes = 64'000'000;  // WAL-02; at least 4,096
  // Zeros are written so far ahead of the records, once for each such stretch: a file system turns reserved space into
  // written space at the first write, in its journal, and that costs a sync half as much again. 0: never.
  uint64_t zero_ahead_bytes = 256 * 1024;
  Fsync fsync = Fsync::yes;
};

enum class Sync : uint8_t {
  by_rule,  // RAL-16: if there are entries, or term or vote changed
  always
};

// Everything that counts in the log after the snapshot it was opened from.
struct Contents {
  std::string metadata;
  raft::HardState hard_state;
  std::vector<raft::Entry> entries;  // consecutive, from snapshot.index + 1; the end may be uncommitted
};

class Decoder;
class Replay;

class Wal {
 public:
  struct Opened;

  // Makes a new log in `directory`, complete or not at all: built in "{directory}.tmp" and renamed. Replaces an empty
  // directory. AlreadyExists if there are segments.
  static absl::StatusOr<std::unique_ptr<Wal>> create(const World& world, const Options& options,
                                                     const std::string& directory,
                                                     std::string_view metadata);
  // Reads the log from the segment that holds `from` on and makes it ready to append; what follows the last valid
  // record is zeroed. `from` {0, 0} is the beginning. An error of Fault::torn_tail can be repaired once.
  static absl::StatusOr<Opened> open(const World& world, const Options& options,
                                     const std::string& directory, const SnapshotRecord& from);
  // open(), with one repair() in between if the tail is torn (WAL-10).
  static absl::StatusOr<Opened> open_repairing(const World& world, const Options& options,
                                               const std::string& directory,
                                               const SnapshotRecord& from);
  // What a starting member does: open_repairing() from newest_snapshot_entry(), with one reading of the log for both
  // (newest_tail.h). Locks the older segments too, for as long as it reads. `guess` is the index that this snapshot probably
  // has, if there is one, and spares some work; a wrong one, some segments too far, costs another reading.
  static absl::StatusOr<Opened> open_newest(const World& world, const Options& options, const std::string& directory,
                                            Index guess = Index(0));
  ~Wal();  // closes the files without writing

  // Appends entries, then the state if it is not empty, in one write and, if need be, one sync; then starts the next
  // segment if this one is full. A commit-only change stays in memory until the next sync or 128 KiB.
  absl::Status save(const raft::HardState& state, std::span<const raft::Entry> entries,
                    Sync sync = Sync::by_rule);
  // Durably notes that a snapshot exists. InvalidArgument if conf_state is missing with index > 0 (WAL-08).
  absl::Status save_snapshot(const SnapshotRecord& snapshot);
  // Durably notes a snapshot that was received, with what comes behind it. `state` must commit the snapshot. Entries are
  // written when the log says already that the snapshot counts: a crash can't leave them behind one that doesn't, which
  // would be a hole.
  absl::Status save_received(const SnapshotRecord& snapshot, const raft::HardState& state,
                             std::span<const raft::Entry> entries);
  absl::Status sync();
  // Lets go of the segments that only hold entries before `index` (but the last such one), for the purge.
  void release_lock_to(Index index);
  // Syncs what is buffered and removes the prepared segment. The Wal accepts nothing afterwards, but holds its locks.
  absl::Status close();

  // Shared with the executor that runs SegmentPreparer::prepare(). Post that whenever wants_segment(), so that starting
  // a segment costs the log writer no allocation; without it cut makes the file itself.
  const std::shared_ptr<SegmentPreparer>& preparer() const { return preparer_; }
  bool wants_segment() const { return !preparer_->ready(); }

  Index last_index() const { return last_index_; }  // of the last entry (or snapshot) written
  uint64_t tail_offset() const { return written_ + writer_.buffered().size(); }
  std::string tail_name() const { return segments_.empty() ? "" : segments_.back().name.text(); }
  size_t held_segments() const { return segments_.size(); }
  const absl::Status& health() const { return health_; }  // not OK: poisoned or closed

 private:
  struct Instruments;
  Wal(const World& world, const Options& options, std::string directory, std::string metadata);

  absl::Status create_in(const std::string& temporary);
  absl::Status settle_tail() const;
  absl::Status open_segments(const std::vector<SegmentName>& names);
  bool let_go_before(Index index);
  absl::StatusOr<Contents> read(const SnapshotRecord& from);
  absl::StatusOr<Contents> go_on_behind(const Replay& replay, const Decoder& decoder, std::vector<raft::Entry> entries);
  absl::Status begin_append(uint64_t offset, uint32_t crc);
  absl::Status cut();
  absl::Status flush();
  absl::Status zero_ahead();
  absl::Status flush_and_sync();
  absl::Status sync_directory_timed(const std::string& path);
  absl::Status poison(absl::Status status);

  const World world_;
  const Options options_;
  const std::string directory_;
  std::unique_ptr<Instruments> instruments_;
  std::shared_ptr<SegmentPreparer> preparer_;

  std::string metadata_;
  raft::HardState state_;
  Index last_index_;
  RecordWriter writer_;
  std::vector<LockedSegment> segments_;  // in order of sequence; the last is the tail
  uint64_t written_ = 0;                 // offset in the tail of the first byte that is still buffered
  uint64_t zeroed_ = 0;                  // offset in the tail up to which this Wal wrote, records or zeros
  absl::Status health_;
};

struct Wal::Opened {
  std::unique_ptr<Wal> wal;
  SnapshotRecord from;  // no configuration
  Contents contents;
};

// True if there is any file ending in .wal.
bool exists(env::FileSystem& files, const std::string& directory);

// The snapshot records up to the last committed index, in the order of the log (WAL-14). Takes no locks; a torn tail is
// no error.
absl::StatusOr<std::vector<SnapshotRecord>> valid_snapshot_entries(const World& world,
                                                                   const std::string& directory);
// The newest of them (newest_of() in replay.h).
absl::StatusOr<SnapshotRecord> newest_snapshot_entry(const World& world, const std::string& directory);
// Reads everything from `from` on and returns the last hard state. Takes no locks; a torn tail is no error.
absl::StatusOr<raft::HardState> verify(const World& world, const std::string& directory,
                                       const SnapshotRecord& from);
// Cuts a torn tail off the last segment, after copying that to "{name}.broken". OK if nothing was torn.
absl::Status repair(const World& world, const std::string& directory);

}  // namespace holdfast::wal
