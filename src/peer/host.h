// The member behind the transport (etcd rafthttp.Raft), and what all parts of the transport use. server::Member does it
// for real (apps/), tests their own way.
#pragma once

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "base/log.h"
#include "base/task.h"
#include "base/types.h"
#include "env/executor.h"
#include "env/file_system.h"
#include "env/metrics.h"
#include "net/io_thread.h"
#include "net/tls.h"
#include "peer/headers.h"
#include "raft/message.h"
#include "raft/raw_node.h"

namespace holdfast::peer {

// Thread-safe.
class Host {
 public:
  virtual ~Host() = default;

  // In this order. `taken` runs, on some thread, when raft has seen them; dropped unrun if it never will.
  virtual void receive(std::vector<raft::Message> messages, Task taken) = 0;
  // server::Member::receive_snapshot(): waits for the disk.
  virtual absl::Status receive_snapshot(raft::Message message, const std::string& path) = 0;
  virtual bool is_removed(MemberId id) const = 0;
  virtual void report_unreachable(MemberId id) = 0;
  // Nobody listens where the member listened: its process has ended, or never began. Said again with every dial.
  virtual void report_gone(MemberId id) = 0;
  virtual void report_snapshot(MemberId id, raft::SnapshotStatus status) = 0;
  // A peer says that this member was removed from the cluster: it should stop (RAFT-07, RAFT-16). May be said often.
  virtual void removed_by_peers() = 0;
};

struct TransportSettings {
  env::Duration dial_timeout = std::chrono::seconds(2);   // 1 s + election timeout (RAFT-13)
  env::Duration read_timeout = std::chrono::seconds(5);   // --raft-read-timeout: silence that ends a connection
  env::Duration write_timeout = std::chrono::seconds(5);  // --raft-write-timeout: nothing taken for so long
  env::Duration redial_interval = std::chrono::milliseconds(100);
  // For peers with https URLs. An empty name to check is each peer's own.
  net::TlsClientOptions tls;
  std::string local_address;  // that connections come from; empty: the system's choice
  std::string snap_dir;
};

// Handed to each part of the transport; everything in it outlives them.
struct TransportWorld {
  net::IoThread& thread;       // all parts live on it
  env::Executor& background;   // files and snapshot bodies; may wait
  env::FileSystem& files;
  env::Metrics& metrics;
  Logger& log;
  const TransportSettings& settings;
  const Identity& self;
  Host& host;
};

}  // namespace holdfast::peer
