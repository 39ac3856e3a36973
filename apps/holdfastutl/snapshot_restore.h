// snapshot restore FILE (UTL-04..UTL-06; etcdutl snapshot restore): makes the data directory of one member of a new
// cluster, which begins with what a snapshot of ours or of etcd's holds. Run for each member with the same
// --initial-cluster.
//
// The new cluster's members take the place of those in the snapshot; its log says that they were added, and a .snap file
// that all of it is in the backend.
#pragma once

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "apps/holdfastutl/console.h"
#include "apps/holdfastutl/data_dir.h"

namespace holdfast::utl {

struct RestoreOptions {
  std::string file;
  DataDir dir;  // path empty: {name}.etcd
  std::string name = "default";
  std::string initial_cluster = "default=http://localhost:2380";
  std::string token = "etcd-cluster";
  std::string advertise_peer_urls = "http://localhost:2380";
  bool skip_hash_check = false;
  uint64_t bump_revision = 0;   // clients see a higher revision than any that the old cluster may have reached
  bool mark_compacted = false;  // with bump_revision: old watches are told that they missed something
};

// InvalidArgument for options that contradict each other; otherwise etcd's texts, or DataLoss for what is wrong in the
// file.
absl::Status restore_snapshot(Console& console, RestoreOptions options);

}  // namespace holdfast::utl
