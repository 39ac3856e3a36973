#include "apps/holdfast/settings_report.h"

#include "apps/holdfast/go_values.h"
#include "apps/holdfast/version.h"
#include "base/go_text.h"
#include "fmt/format.h"

namespace holdfast::config {
namespace {

std::string milliseconds(uint64_t count) { return go_duration(std::chrono::milliseconds(count)); }

// etcd keeps a number of revisions as a duration, too.
env::Duration compaction_retention(const Resolved& resolved) {
  return resolved.compaction_mode == CompactionMode::periodic
             ? resolved.compaction_period
             : env::Duration(std::chrono::nanoseconds(resolved.compaction_revisions));
}

}  // namespace

std::vector<LogField> settings_report(const Config& c, const StartFacts& facts) {
  const std::string retention = go_duration(compaction_retention(c.resolved));
  const Discovery& discovery = c.discovery;
  return {
      {"etcd-version", kEtcdVersion},
      {"holdfast-version", kHoldfastVersion},
      {"git-sha", git_sha()},
      {"compiler", compiler()},
      {"max-cpu-available", static_cast<uint64_t>(facts.cores)},
      {"member-initialized", facts.member_initialized},
      {"name", c.name},
      {"data-dir", c.data_dir},
      {"wal-dir", c.wal_dir},
      {"wal-dir-dedicated", c.wal_dir},
      {"member-dir", facts.member_dir},
      {"force-new-cluster", c.force_new_cluster},
      {"heartbeat-interval", milliseconds(c.heartbeat_interval_ms)},
      {"election-timeout", milliseconds(c.election_ticks() * c.heartbeat_interval_ms)},
      {"initial-election-tick-advance", c.initial_election_tick_advance},
      {"snapshot-count", c.snapshot_count},
      {"max-wals", c.max_wals},
      {"max-snapshots", c.max_snapshots},
      {"snapshot-catchup-entries", c.snapshot_catchup_entries},
      {"initial-advertise-peer-urls", url_texts(c.initial_advertise_peer_urls)},
      {"listen-peer-urls", url_texts(c.listen_peer_urls)},
      {"advertise-client-urls", url_texts(c.advertise_client_urls)},
      {"listen-client-urls", url_texts(c.listen_client_urls)},
      {"listen-metrics-urls", url_texts(c.listen_metrics_urls)},
      {"local-address", facts.local_address},
      {"cors", c.cors},
      {"host-whitelist", c.host_whitelist},
      {"initial-cluster", facts.initial_cluster},
      {"initial-cluster-state", c.initial_cluster_state},
      {"initial-cluster-token", facts.initial_cluster_token},
      {"quota-backend-bytes", facts.quota_backend_bytes},
      {"max-request-bytes", c.max_request_bytes},
      {"max-concurrent-streams", static_cast<uint64_t>(c.max_concurrent_streams)},
      {"pre-vote", c.pre_vote},
      {"feature-gates", c.feature_gates.text()},
      {"initial-corrupt-check", c.feature_gates.enabled(Feature::initial_corrupt_check)},
      {"corrupt-check-time-interval", go_duration(c.corrupt_check_time)},
      {"compact-check-time-interval", go_duration(c.compact_hash_check_time)},
      {"auto-compaction-mode", c.auto_compaction_mode},
      {"auto-compaction-retention", retention},
      {"auto-compaction-interval", retention},
      {"discovery-token", discovery.token},
      {"discovery-endpoints", fmt::format("{}", fmt::join(discovery.endpoints, ","))},
      {"discovery-dial-timeout", go_duration(discovery.dial_timeout)},
      {"discovery-request-timeout", go_duration(discovery.request_timeout)},
      {"discovery-keepalive-time", go_duration(discovery.keepalive_time)},
      {"discovery-keepalive-timeout", go_duration(discovery.keepalive_timeout)},
      {"discovery-insecure-transport", discovery.insecure_transport},
      {"discovery-insecure-skip-tls-verify", discovery.insecure_skip_tls_verify},
      {"discovery-cert", discovery.cert_file},
      {"discovery-key", discovery.key_file},
      {"discovery-cacert", discovery.ca_file},
      {"discovery-user", discovery.user},
      {"downgrade-check-interval", go_duration(c.downgrade_check_time)},
      {"max-learners", c.max_learners},
      {"v2-deprecation", c.v2_deprecation},
  };
}

}  // namespace holdfast::config
