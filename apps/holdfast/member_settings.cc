#include "apps/holdfast/member_settings.h"

#include "apps/holdfast/client_ports.h"
#include "apps/holdfast/tls_settings.h"
#include "base/errors.h"
#include "fmt/format.h"
#include "membership/initial_cluster.h"
#include "peer/codec.h"

namespace holdfast::app {

namespace {

// What gRPC's framing and metadata may add to a request (GEN-02).
constexpr uint64_t kGrpcOverheadBytes = 512 * 1024;
// Questions of peers: about leases (64 KiB, refused above by name), members, hashes, versions.
constexpr size_t kPeerQuestionBytesMax = 128 * 1024;
// Between two reads of a snapshot: as long as its sender bears with us.
constexpr env::Duration kSnapshotStallMax = std::chrono::seconds(60);

template <class T>
T or_default(T value, T fallback) {
  return value == T{} ? fallback : value;
}

server::AutoCompaction auto_compaction(const config::Resolved& resolved) {
  using Mode = server::AutoCompaction::Mode;
  if (resolved.compaction_mode == config::CompactionMode::periodic)
    return {resolved.compaction_period.count() > 0 ? Mode::periodic : Mode::off,
            resolved.compaction_period, 0};
  return {resolved.compaction_revisions > 0 ? Mode::revision : Mode::off, {},
          resolved.compaction_revisions};
}

}  // namespace

absl::StatusOr<server::MemberConfig> member_settings(const config::Config& config) {
  server::MemberConfig member;
  member.name = config.name;
  member.data_dir = config.data_dir;
  member.wal_dir = config.wal_dir;
  auto cluster = membership::parse_initial_cluster(config.initial_cluster);
  if (!cluster.ok()) return cluster.status();
  member.initial_cluster = *std::move(cluster);
  member.initial_cluster_token = config.initial_cluster_token;
  if (!config.discovery.endpoints.empty()) {
    // Of itself alone, until the others are known.
    member.initial_cluster = {{config.name, config::url_texts(config.initial_advertise_peer_urls)}};
    member.initial_cluster_token = config.discovery.token;
  }
  member.initial_cluster_state = config.resolved.cluster_state == config::ClusterState::existing
                                     ? server::ClusterState::existing
                                     : server::ClusterState::fresh;
  member.advertise_peer_urls = config::url_texts(config.initial_advertise_peer_urls);
  member.advertise_client_urls = config::url_texts(config.advertise_client_urls);
  member.strict_reconfig_check = config.strict_reconfig_check;
  member.max_learners = static_cast<int>(config.max_learners);
  member.force_new_cluster = config.force_new_cluster;
  member.downgrade_check_time = config.downgrade_check_time;
  member.heartbeat_interval = std::chrono::milliseconds(config.heartbeat_interval_ms);
  member.election_ticks = static_cast<int>(config.election_ticks());
  member.initial_election_tick_advance = config.initial_election_tick_advance;
  member.pre_vote = config.pre_vote;
  member.snapshot_count = config.snapshot_count;
  member.snapshot_catchup_entries = config.snapshot_catchup_entries;
  member.max_snapshots = static_cast<int>(config.max_snapshots);
  member.max_wals = static_cast<int>(config.max_wals);
  member.unsafe_no_fsync = config.unsafe_no_fsync;
  member.quota_backend_bytes = config.quota_backend_bytes;
  member.backend_batch_interval =
      or_default(config.backend_batch_interval, member.backend_batch_interval);
  if (config.backend_batch_limit > 0)
    member.backend_batch_limit = static_cast<size_t>(config.backend_batch_limit);
  member.bootstrap_defragment_threshold_bytes = config.bootstrap_defrag_threshold_megabytes << 20;
  if (config.compaction_batch_limit > 0)
    member.compaction_batch_limit = static_cast<int>(config.compaction_batch_limit);
  member.compaction_sleep_interval =
      or_default(config.compaction_sleep_interval, member.compaction_sleep_interval);
  member.auto_compaction = auto_compaction(config.resolved);
  member.corruption_checks = {config.feature_gates.enabled(config::Feature::initial_corrupt_check),
                              config.corrupt_check_time,
                              config.feature_gates.enabled(config::Feature::compact_hash_check),
                              config.compact_hash_check_time};
  member.max_request_bytes = config.max_request_bytes;
  member.max_txn_ops = static_cast<int>(config.max_txn_ops);
  member.warning_apply_duration = config.warning_apply_duration;
  member.priority_requests = config.feature_gates.enabled(config::Feature::priority_request);
  member.lease_checkpoints = config.feature_gates.enabled(config::Feature::lease_checkpoint);
  member.lease_checkpoint_persist =
      config.feature_gates.enabled(config::Feature::lease_checkpoint_persist);
  member.fast_lease_keep_alive = config.feature_gates.enabled(config::Feature::fast_lease_keep_alive);
  return member;
}

net::GrpcOptions grpc_settings(const config::Config& config) {
  net::GrpcOptions options;
  options.max_receive_message_bytes = config.max_request_bytes + kGrpcOverheadBytes;
  options.max_concurrent_streams = config.max_concurrent_streams;
  options.keepalive.min_ping_interval = config.grpc_keepalive_min_time;
  if (config.grpc_keepalive_interval.count() > 0 && config.grpc_keepalive_timeout.count() > 0) {
    options.keepalive.ping_after_idle = config.grpc_keepalive_interval;
    options.keepalive.ping_timeout = config.grpc_keepalive_timeout;
  }
  return options;
}

size_t json_bytes_max(const config::Config& config) {
  return (config.max_request_bytes + kGrpcOverheadBytes) / 3 * 4 + kGrpcOverheadBytes;
}

absl::StatusOr<net::ListenerOptions> peer_listener_settings(const config::Config& config, const config::Url& url,
                                                            const config::TlsFiles& files) {
  auto port = port_of(config, url);
  if (!port.ok()) return port.status();
  net::ListenerOptions options = std::move(port->options);
  if (url.is_tls()) {
    auto tls = tls_settings(config, files);
    if (!tls.ok()) return tls.status();
    // TLS-05. Who comes by a socket file has no address.
    if (!files.skip_client_san_verification && !url.is_unix())
      tls->client_address = net::TlsOptions::ClientAddress::named;
    options.tls = *std::move(tls);
    options.refusal_message = "rejected connection on peer endpoint";
  }
  options.write_timeout = config.raft_write_timeout;
  options.http.idle_timeout = config.raft_read_timeout;
  options.http.read_header_timeout = config.raft_read_timeout;
  options.http.read_body_timeout = kSnapshotStallMax;
  // Messages and snapshots are received in pieces, under bounds of their own; nothing else has a long body.
  options.http.max_body_bytes = kPeerQuestionBytesMax;
  return options;
}

peer::TransportSettings transport_settings(const config::Config& config, const server::MemberConfig& member,
                                           const config::TlsFiles& files, const PeerDialling& dialling) {
  peer::TransportSettings settings;
  settings.dial_timeout = std::chrono::seconds(1) + member.election_timeout();
  settings.read_timeout = config.raft_read_timeout;
  settings.write_timeout = config.raft_write_timeout;
  settings.snap_dir = member.snap_dir();
  settings.local_address = dialling.local_address;
  net::TlsClientOptions& tls = settings.tls;
  tls.server_name = dialling.tls_name;
  tls.certificate_file = files.client_cert_file.empty() ? files.cert_file : files.client_cert_file;
  tls.key_file = files.client_key_file.empty() ? files.key_file : files.client_key_file;
  tls.trusted_ca_file = files.trusted_ca_file;
  if (files.auto_tls && files.trusted_ca_file.empty())  // TLS-06: everybody has a certificate of his own
    tls.verify = net::TlsClientOptions::Verify::nothing;
  tls.protocols = net::TlsClientOptions::Protocols::http1;
  tls.cache = std::make_shared<net::TlsFileCache>(
      std::vector{tls.certificate_file, tls.key_file, tls.trusted_ca_file});  // shared by all dials
  return settings;
}

}  // namespace holdfast::app
