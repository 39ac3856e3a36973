// Snapshot files in etcd's format (SNP-01..SNP-03; etcd server/etcdserver/api/snap):
//   {term:016x}-{index:016x}.snap   proto2 {1 crc, 2 data}: CRC-32C of data; data is a raftpb.Snapshot
//   {index:016x}.snap.db            a whole backend received from the leader
//   *.broken                        what could not be read, kept for a human
//   tmp*, db.tmp*                   left over from an interrupted receive or defragmentation
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "raft/types.h"
#include "wal/wal.h"

namespace holdfast::wal {

std::string encode_snapshot_file(const raft::Snapshot& snapshot);
// DataLoss: "snap: empty snapshot", "snap: crc mismatch" or malformed.
absl::StatusOr<raft::Snapshot> decode_snapshot_file(std::string_view bytes);

std::string snapshot_file_name(Term term, Index index);
std::string database_file_name(Index index);
// Of the newest snapshot file in `directory`, by its name; 0 if there is none. The log need not count it.
Index newest_snapshot_file(env::FileSystem& files, const std::string& directory);

class Snapshotter {
 public:
  // `directory` is {data-dir}/member/snap and must exist. `world` as for Wal.
  Snapshotter(const World& world, std::string directory);
  ~Snapshotter();

  // Durable, name included, when it returns OK. Nothing happens for an empty snapshot. A half-written file is removed.
  absl::Status save_snap(const raft::Snapshot& snapshot);

  // The newest readable snapshot; those with a record in `wal_snapshots` only. Files that cannot be read are renamed to
  // *.broken and passed over. NotFound "snap: no available snapshot".
  absl::StatusOr<raft::Snapshot> load();
  absl::StatusOr<raft::Snapshot> load_newest_available(
      const std::vector<SnapshotRecord>& wal_snapshots);

  // Deletes tmp* and db.tmp* (DIR-03). Call once at the start, before anything writes here.
  absl::Status remove_leftovers();

  // Deletes the {i}.snap.db with i < index; failures are logged.
  absl::Status release_databases(Index index);

  const std::string& directory() const { return directory_; }

 private:
  struct Instruments;
  absl::StatusOr<std::vector<std::string>> names();
  absl::StatusOr<raft::Snapshot> load_file(const std::string& name);
  absl::StatusOr<raft::Snapshot> load_matching(
      const std::function<bool(const raft::SnapshotMetadata&)>& matches);
  absl::Status write_file(const std::string& path, std::string_view bytes);

  const World world_;
  const std::string directory_;
  const std::unique_ptr<Instruments> instruments_;
};

// DIR-04: deletes the oldest files ending in `suffix` (by name) until `keep` are left; 0 keeps all. With Locks::respected it
// stops at the first one that somebody holds. An error ends the member, as in etcd. Returns how many went.
enum class Locks : uint8_t { respected, ignored };
struct PurgeRule {
  std::string_view suffix;  // ".wal", ".snap", ".snap.db"
  size_t keep = 0;
  Locks locks = Locks::ignored;
};
absl::StatusOr<size_t> purge(env::FileSystem& files, Logger& logger, const std::string& directory,
                             const PurgeRule& rule);

}  // namespace holdfast::wal
