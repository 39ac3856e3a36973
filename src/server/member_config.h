// The settings of one member that its server parts need, already checked (apps/ turns flags into this).
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "env/clock.h"
#include "server/auto_compactor.h"
#include "server/corruption_monitor.h"

namespace holdfast::server {

enum class ClusterState : uint8_t { fresh, existing };  // --initial-cluster-state new | existing

struct MemberConfig {
  std::string name = "default";
  std::string data_dir = "default.etcd";
  std::string wal_dir;  // empty: data_dir/member/wal

  // --initial-cluster: name to peer URLs.
  std::map<std::string, std::vector<std::string>> initial_cluster;
  std::string initial_cluster_token = "etcd-cluster";
  ClusterState initial_cluster_state = ClusterState::fresh;
  std::vector<std::string> advertise_peer_urls;
  std::vector<std::string> advertise_client_urls;
  bool strict_reconfig_check = true;
  bool force_new_cluster = false;
  int max_learners = 1;
  env::Duration downgrade_check_time = std::chrono::seconds(5);  // 0: never

  env::Duration heartbeat_interval = std::chrono::milliseconds(100);
  int election_ticks = 10;
  bool initial_election_tick_advance = true;
  bool pre_vote = true;
  uint64_t raft_max_size_per_message = 1 << 20;
  int raft_max_inflight_messages = 512;

  uint64_t snapshot_count = 10'000;
  uint64_t snapshot_catchup_entries = 5'000;
  // Entries that are kept besides, in bytes of memory, while a follower is being sent a snapshot. etcd knows no bound. At this
  // one the follower may take ten seconds where fifty megabytes are written in each.
  uint64_t held_log_bytes_max = uint64_t{512} << 20;
  int max_snapshots = 5;
  int max_wals = 5;
  uint64_t wal_segment_bytes = 64'000'000;
  uint64_t wal_zero_ahead_bytes = 256 * 1024;
  bool unsafe_no_fsync = false;

  int64_t quota_backend_bytes = 0;  // 0: default, negative: off
  env::Duration backend_batch_interval = std::chrono::milliseconds(100);
  size_t backend_batch_limit = 10'000;
  // Defragment at the start if that frees at least so many bytes (0: never).
  uint64_t bootstrap_defragment_threshold_bytes = 0;
  int compaction_batch_limit = 1000;
  env::Duration compaction_sleep_interval = std::chrono::milliseconds(10);
  AutoCompaction auto_compaction;
  CorruptionChecks corruption_checks;

  uint64_t max_request_bytes = 1'572'864;
  int max_txn_ops = 128;
  env::Duration warning_apply_duration = std::chrono::milliseconds(100);
  bool priority_requests = false;
  bool lease_checkpoints = false;         // gate LeaseCheckpoint (LEA-15)
  bool lease_checkpoint_persist = false;  // gate LeaseCheckpointPersist
  bool fast_lease_keep_alive = true;      // gate FastLeaseKeepAlive (LEA-07)

  // PUT-07.
  env::Duration request_timeout() const {
    return std::chrono::seconds(5) + 2 * election_ticks * heartbeat_interval;
  }
  env::Duration election_timeout() const { return election_ticks * heartbeat_interval; }
  std::string member_dir() const { return data_dir + "/member"; }
  std::string snap_dir() const { return member_dir() + "/snap"; }
  std::string wal_path() const { return wal_dir.empty() ? member_dir() + "/wal" : wal_dir; }
  std::string backend_path() const { return snap_dir() + "/holdfast.lmdb"; }
};

}  // namespace holdfast::server
