// A disk in memory that can crash, lie and break, for the simulator and for crash tests. Same seed and same calls, same
// outcome.
//
// What survives crash() is what env/file_system.h promises and a random part of the rest:
//  - of a file's unsynced bytes any subset of 512-byte sectors, of an unsynced length either end or a sector between;
//  - of unsynced names (create, remove, rename) a random subset in which no operation outlives one it depends on; a
//    rename is kept or lost as a whole;
//  - an fsync of a file does not keep its name, as the contract says, even though most file systems are kinder;
//  - a sync that has not returned by then, in virtual time, keeps nothing, if nothing was changed after it.
// After a sync that failed the bytes it should have written count as clean but are not on the disk, as on Linux: a later
// good sync does not bring them back.
//
// Thread-safe. Files opened before a crash answer Unavailable afterwards and hold no locks.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "base/random.h"
#include "env/clock.h"
#include "env/file_system.h"
#include "sim/disk_node.h"

namespace holdfast::sim {

enum class DiskAction : uint8_t {
  open,
  read,
  write,
  truncate,
  preallocate,
  sync,
  rename,
  remove,
  create_directory,
  sync_directory,
  list
};

struct DiskOperation {
  DiskAction action = DiskAction::open;
  std::string_view path;
  uint64_t offset = 0;
  uint64_t size = 0;
};

// Probabilities are in millionths per operation; all zero: a disk that never fails.
struct DiskFaults {
  uint32_t read_error_ppm = 0;   // EIO
  uint32_t write_error_ppm = 0;  // EIO after a random number of sectors was written
  uint32_t sync_error_ppm = 0;   // EIO, and what was to be synced is lost
  uint32_t lost_sync_ppm = 0;    // answers OK and persists nothing: must be detected, or stay within a minority
  uint64_t capacity_bytes = UINT64_MAX;  // ENOSPC beyond it; preallocated bytes count
};

// How long an operation takes in virtual time; summed up until take_busy_time(). A hung disk is a long time.
using DiskLatency = std::function<env::Duration(const DiskOperation&)>;
// Called before each operation, without locks held; an error is returned to the caller instead of performing it. May
// throw (a simulated end of the process).
using DiskHook = std::function<absl::Status(const DiskOperation&)>;

class SimDisk final : public env::FileSystem {
 public:
  explicit SimDisk(uint64_t seed);
  ~SimDisk() override;

  absl::StatusOr<std::unique_ptr<env::File>> open(const std::string& path,
                                                  env::OpenMode mode) override;
  absl::Status rename(const std::string& from, const std::string& to) override;
  absl::Status remove(const std::string& path) override;
  absl::Status remove_all(const std::string& path) override;
  absl::Status create_directories(const std::string& path) override;
  absl::Status sync_directory(const std::string& path) override;
  absl::StatusOr<std::vector<std::string>> list(const std::string& path) override;
  absl::StatusOr<bool> exists(const std::string& path) override;
  absl::StatusOr<bool> is_directory(const std::string& path) override;

  // What a process does from here on, while its objects are destroyed, it never did: all operations answer Unavailable, until
  // crash() or end_process().
  void halt();
  // Power off and on. `at`: when, by the time of set_return_time().
  using Unsynced = sim::Unsynced;
  void crash(Unsynced unsynced = Unsynced::kept_in_part, env::Instant at = {INT64_MAX});
  // What syncs that were lost should have kept is kept after all: a cache that was written back in time. Of what they
  // covered, everything written by now, but not what a sync is for that has not returned by `at`.
  void write_back(env::Instant at = {INT64_MAX});
  // The process ends, the machine goes on: nothing is lost, but files are closed and locks free.
  void end_process();
  // A disk with the same contents, synced and not; open files and settings do not come along.
  std::unique_ptr<SimDisk> clone(uint64_t seed) const;
  // Everything gone, as a replaced disk.
  void wipe();

  void set_faults(const DiskFaults& faults);
  void set_latency(DiskLatency latency);
  // Tells when the operation under way will have returned, its latency included. Without it, operations return at once.
  void set_return_time(std::function<env::Instant()> returns);
  void set_hook(DiskHook hook);
  // Virtual time that operations took since the last call.
  env::Duration take_busy_time();

  // Damage at rest: flips a bit of the stored file, synced or not. `offset` must be within the file.
  void flip_bit(const std::string& path, uint64_t offset, int bit);
  // All files under `directory` (full paths, sorted).
  std::vector<std::string> files_under(const std::string& directory) const;
  uint64_t used_bytes() const;
  uint64_t syncs() const;  // successful syncs of files and directories so far

 private:
  friend class SimFile;
  using Node = DiskNode;
  using NodePointer = DiskNode::Pointer;
  absl::Status begin(const DiskOperation& operation);
  NodePointer find(const std::string& path) const;
  NodePointer parent_of(const std::string& path, std::string& name) const;
  struct Entry {
    NodePointer directory;
    std::string name;
    NodePointer node;  // what the name stands for afterwards; null: nothing
  };
  using NameChange = std::vector<Entry>;  // happens as a whole
  // The last change, if it is a sync: of a file, or of a directory and what its names stood for on the disk before, in the
  // order in which they were changed. A task does all it does at once, but in virtual time one after the other.
  struct Sync {
    env::Instant returns;
    NodePointer file;  // null: of a directory
    Node::Persisted persisted;
    std::vector<NameChange> changes;
    NameChange before;
    NodePointer lied_before;  // a sync before it was lost, and this one made up for it
  };

  void change_names(NameChange change);
  void commit_names(const Node* directory);
  static void set_entry(std::map<std::string, NodePointer>& entries, const Entry& entry);
  env::Instant returns() const { return returns_ ? returns_() : env::Instant{}; }
  void undo_sync(env::Instant not_returned_by);
  // Whether this sync is one of those that are lost.
  bool loses_sync(const NodePointer& node);
  void crash_names(uint64_t keep_of_four);
  void drop_handles();
  bool strikes(uint32_t ppm);
  uint64_t used() const;
  uint64_t room() const;

  std::atomic<int64_t> busy_{0};  // nanoseconds
  mutable std::mutex mutex_;  // guards all below
  Random random_;
  DiskFaults faults_;
  DiskLatency latency_;
  DiskHook hook_;
  std::function<env::Instant()> returns_;
  uint64_t generation_ = 1;  // of open files
  bool halted_ = false;
  uint64_t syncs_ = 0;
  NodePointer root_;
  std::vector<NameChange> pending_names_;  // in order; not yet durable
  std::optional<Sync> under_way_;
  std::set<NodePointer> lied_about_;       // what lost syncs were for
};

}  // namespace holdfast::sim
