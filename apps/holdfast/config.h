// What a `holdfast` member is told at its start: the values of etcd 3.7.1's flags (parity F-001..F-104) as one plain
// struct. Which flag fills which field, its default, unit and help stand in flag_table.cc, and nowhere else;
// default_config() (flag_table.h) gives the struct with those defaults. Units: durations are nanoseconds
// (env::Duration), sizes bytes, unless a name says otherwise. Zero or empty means what the flag's help says.
//
// Cores never see this struct: wiring hands each of them its own small options struct.
#pragma once

#include <cstdint>
#include <set>
#include <string>
#include <vector>

#include "apps/holdfast/feature_gates.h"
#include "apps/holdfast/url.h"
#include "base/log.h"
#include "env/clock.h"

namespace holdfast::config {

enum class ClusterState : uint8_t { fresh, existing };  // "new", "existing"
enum class CompactionMode : uint8_t { periodic, revision };
enum class LogFormat : uint8_t { json, console };
enum class MetricsDetail : uint8_t { basic, extensive };

// TLS of one side: the client port (flags without prefix) or the peer port (--peer-...).
struct TlsFiles {
  std::string cert_file;
  std::string key_file;
  std::string client_cert_file;  // shown when this member is the client; empty: cert_file
  std::string client_key_file;
  std::string trusted_ca_file;
  std::string crl_file;
  std::vector<std::string> allowed_cns;  // peer side only
  std::vector<std::string> allowed_hostnames;
  bool client_cert_auth = false;
  bool skip_client_san_verification = false;  // peer side only
  bool auto_tls = false;

  bool empty() const { return cert_file.empty() && key_file.empty(); }
};

struct Discovery {
  std::vector<std::string> endpoints;  // sorted
  std::string token;
  env::Duration dial_timeout{};
  env::Duration request_timeout{};
  env::Duration keepalive_time{};
  env::Duration keepalive_timeout{};
  bool insecure_transport = false;
  bool insecure_skip_tls_verify = false;
  std::string cert_file;
  std::string key_file;
  std::string ca_file;
  std::string user;
  std::string password;
  std::string fallback;
  std::string srv_domain;
  std::string srv_name;
};

struct LogRotation {
  int64_t size_megabytes_max = 0;  // 0: lumberjack's default of 100
  int64_t age_days_max = 0;        // 0: keep whatever its age
  int64_t backups_max = 0;         // 0: keep all
  bool local_time = false;
  bool compress = false;
};

// What validate() makes of the texts below it in Config.
struct Resolved {
  ClusterState cluster_state = ClusterState::fresh;
  CompactionMode compaction_mode = CompactionMode::periodic;
  env::Duration compaction_period{};    // periodic mode; 0: off
  int64_t compaction_revisions = 0;     // revision mode; 0: off
  LogLevel log_level = LogLevel::info;
  LogFormat log_format = LogFormat::json;
  LogRotation log_rotation;
  MetricsDetail metrics = MetricsDetail::basic;
};

struct Config {
  // Member
  std::string name;
  std::string data_dir;
  std::string wal_dir;  // empty: <data_dir>/member/wal
  uint64_t snapshot_count = 0;
  uint64_t snapshot_catchup_entries = 0;
  uint64_t max_snapshots = 0;  // files kept; 0: all
  uint64_t max_wals = 0;       // files kept; 0: all
  uint64_t heartbeat_interval_ms = 0;
  uint64_t election_timeout_ms = 0;
  bool initial_election_tick_advance = false;
  std::vector<Url> listen_peer_urls;
  std::vector<Url> listen_client_urls;
  std::vector<Url> listen_client_http_urls;
  std::vector<Url> listen_metrics_urls;
  int64_t quota_backend_bytes = 0;          // 0: 2 GiB; negative: no quota
  std::string backend_bbolt_freelist_type;  // no effect: LMDB has no choice of free lists
  env::Duration backend_batch_interval{};   // 0: 100 ms
  int64_t backend_batch_limit = 0;          // operations; 0: 10,000
  uint64_t max_txn_ops = 0;
  uint64_t max_request_bytes = 0;
  uint32_t max_concurrent_streams = 0;
  env::Duration grpc_keepalive_min_time{};
  env::Duration grpc_keepalive_interval{};  // 0: no server pings
  env::Duration grpc_keepalive_timeout{};
  bool socket_reuse_port = false;
  bool socket_reuse_address = false;
  env::Duration raft_read_timeout{};
  env::Duration raft_write_timeout{};
  bool memory_mlock = false;
  FeatureGates feature_gates;

  // Clustering
  std::vector<Url> initial_advertise_peer_urls;
  std::vector<Url> advertise_client_urls;
  std::string initial_cluster;  // "name=url,name=url,..."
  std::string initial_cluster_state;
  std::string initial_cluster_token;
  Discovery discovery;
  bool strict_reconfig_check = false;
  bool pre_vote = false;
  int64_t max_learners = 0;
  std::string auto_compaction_mode;
  std::string auto_compaction_retention;
  std::string v2_deprecation;  // no effect

  // Security
  TlsFiles client_tls;
  TlsFiles peer_tls;
  uint64_t self_signed_cert_validity_years = 0;
  std::vector<std::string> cipher_suites;
  std::string tls_min_version;
  std::string tls_max_version;
  std::vector<std::string> cors;            // sorted; "*" allows all
  std::vector<std::string> host_whitelist;  // sorted; empty or "*" allows all
  std::string auth_token;
  uint64_t bcrypt_cost = 0;
  uint64_t auth_token_ttl_seconds = 0;

  // Observing
  bool enable_pprof = false;
  std::string metrics;
  bool enable_grpc_gateway = false;
  std::string logger;
  std::vector<std::string> log_outputs;  // sorted
  std::string log_level;
  std::string log_format;
  bool enable_log_rotation = false;
  std::string log_rotation_config_json;
  env::Duration warning_unary_request_duration{};
  env::Duration warning_apply_duration{};
  bool enable_distributed_tracing = false;
  std::string distributed_tracing_address;
  std::string distributed_tracing_service_name;
  std::string distributed_tracing_instance_id;
  int64_t distributed_tracing_sampling_rate = 0;  // spans per million

  // Chores
  env::Duration corrupt_check_time{};  // 0: off
  env::Duration compact_hash_check_time{};
  int64_t compaction_batch_limit = 0;           // revisions; 0: 1,000
  env::Duration compaction_sleep_interval{};    // 0: 10 ms
  env::Duration watch_progress_notify_interval{};  // 0: 10 min
  env::Duration downgrade_check_time{};
  uint64_t bootstrap_defrag_threshold_megabytes = 0;  // 0: off
  bool force_new_cluster = false;
  bool unsafe_no_fsync = false;

  // From where it came
  std::string config_file;
  std::set<std::string> explicitly_set;  // flag names given by flag, environment or file

  Resolved resolved;

  uint64_t election_ticks() const { return election_timeout_ms / heartbeat_interval_ms; }
};

}  // namespace holdfast::config
