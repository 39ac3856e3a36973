#include "apps/holdfast/flag_table.h"

namespace holdfast::config {
namespace {

// The field reached through members of members: at<&Config::client_tls, &TlsFiles::cert_file>.
template <auto... kPath>
constexpr auto at = +[](Config& config) -> auto& { return (config.*....*kPath); };

constexpr Support built = Support::built;
constexpr Support planned = Support::planned;
constexpr Support no_effect = Support::no_effect;
constexpr Group member = Group::member;
constexpr Group clustering = Group::clustering;
constexpr Group security = Group::security;
constexpr Group auth = Group::auth;
constexpr Group profiling = Group::profiling;
constexpr Group logging = Group::logging;
constexpr Group tracing = Group::tracing;
constexpr Group features = Group::features;
constexpr Group unsafe = Group::unsafe;

using C = Config;
using D = Discovery;
using T = TlsFiles;

// Rows keep the order of parity/04 within their group. Columns: name, field, default, unit, support, group, key in the
// config file, help.
const Flag kFlags[] = {
    // Member
    {"name", at<&C::name>, "default", "", built, member, "", "Name of this member, for people to read."},
    {"data-dir", at<&C::data_dir>, "", "", built, member, "",
     "Directory of this member's data; empty means ${name}.etcd."},
    {"wal-dir", at<&C::wal_dir>, "", "", built, member, "",
     "Directory of the write-ahead log, if it should not be inside the data directory."},
    {"snapshot-count", at<&C::snapshot_count>, "10000", "entries", built, member, "",
     "Applied entries after which a snapshot is written and the log compacted."},
    {"snapshot-catchup-entries", at<&C::snapshot_catchup_entries>, "5000", "entries", built, member, "",
     "Entries kept behind a snapshot, so that a slow follower can catch up from the log."},
    {"max-snapshots", at<&C::max_snapshots>, "5", "files", built, member, "",
     "Snapshot files to keep (0: all). Deprecated in etcd 3.6."},
    {"max-wals", at<&C::max_wals>, "5", "files", built, member, "", "Log files to keep (0: all)."},
    {"heartbeat-interval", at<&C::heartbeat_interval_ms>, "100", "ms", built, member, "",
     "Time between two heartbeats of the leader."},
    {"election-timeout", at<&C::election_timeout_ms>, "1000", "ms", built, member, "",
     "Time without a leader after which a follower stands for election."},
    {"initial-election-tick-advance", at<&C::initial_election_tick_advance>, "true", "", built, member, "",
     "At the start, wait less than a whole election timeout for the first election."},
    {"listen-peer-urls", at<&C::listen_peer_urls>, "http://localhost:2380", "", built, member, "",
     "URLs to listen on for other members."},
    {"listen-client-urls", at<&C::listen_client_urls>, "http://localhost:2379", "", built, member, "",
     "URLs to listen on for clients: gRPC, and HTTP unless --listen-client-http-urls is given."},
    {"listen-client-http-urls", at<&C::listen_client_http_urls>, "", "", built, member, "",
     "URLs to listen on for HTTP alone; those of --listen-client-urls then serve gRPC alone."},
    {"quota-backend-bytes", at<&C::quota_backend_bytes>, "0", "bytes", built, member, "",
     "Size of the backend above which writes are refused (0: 2 GiB; negative: no limit)."},
    {"backend-bbolt-freelist-type", at<&C::backend_bbolt_freelist_type>, "", "", no_effect, member, "",
     "Kind of free list in bbolt, array or map; the backend here has only one kind."},
    {"backend-batch-interval", at<&C::backend_batch_interval>, "0s", "", built, member, "",
     "Longest time between two commits of the backend (0: 100ms)."},
    {"backend-batch-limit", at<&C::backend_batch_limit>, "0", "operations", built, member, "",
     "Operations after which the backend commits (0: 10000)."},
    {"max-txn-ops", at<&C::max_txn_ops>, "128", "operations", built, member, "",
     "Operations allowed in one transaction."},
    {"max-request-bytes", at<&C::max_request_bytes>, "1572864", "bytes", built, member, "",
     "Size above which a client's request is refused."},
    {"max-concurrent-streams", at<&C::max_concurrent_streams>, "4294967295", "streams", built, member, "",
     "Streams that one client connection may have open at a time."},
    {"grpc-keepalive-min-time", at<&C::grpc_keepalive_min_time>, "5s", "", built, member, "",
     "Shortest time between two pings of a client; one that pings faster is sent away."},
    {"grpc-keepalive-interval", at<&C::grpc_keepalive_interval>, "2h", "", built, member, "",
     "Time between two pings of the server on a quiet connection (0: none)."},
    {"grpc-keepalive-timeout", at<&C::grpc_keepalive_timeout>, "20s", "", built, member, "",
     "Time to wait for the answer to a ping before the connection is closed (0: none)."},
    {"socket-reuse-port", at<&C::socket_reuse_port>, "false", "", built, member, "socket-options/reuse-port",
     "Listen with SO_REUSEPORT."},
    {"socket-reuse-address", at<&C::socket_reuse_address>, "false", "", built, member, "socket-options/reuse-address",
     "Listen with SO_REUSEADDR."},
    {"raft-read-timeout", at<&C::raft_read_timeout>, "5s", "", built, member, "-",
     "Time after which a silent peer connection is given up by its reader (at least 5s)."},
    {"raft-write-timeout", at<&C::raft_write_timeout>, "5s", "", built, member, "-",
     "Time after which a stuck peer connection is given up by its writer (at least 5s)."},
    {"memory-mlock", at<&C::memory_mlock>, "false", "", built, member, "",
     "Lock the member's memory, so that it is never swapped out."},
    {"feature-gates", at<&C::feature_gates>, "", "", built, member, "",
     "Features to turn on or off, as Name=true,Other=false:"},

    // Clustering
    {"initial-advertise-peer-urls", at<&C::initial_advertise_peer_urls>, "http://localhost:2380", "", built, clustering,
     "", "Peer URLs of this member, as the other members reach it."},
    {"advertise-client-urls", at<&C::advertise_client_urls>, "http://localhost:2379", "", built, clustering, "",
     "Client URLs of this member, as clients reach it."},
    {"initial-cluster", at<&C::initial_cluster>, "default=http://localhost:2380", "", built, clustering, "",
     "Members of a new cluster, as name=peer URL,name=peer URL."},
    {"initial-cluster-state", Choice{at<&C::initial_cluster_state>, "new|existing"}, "new", "", built, clustering, "",
     "new: the first start of a new cluster; existing: this member joins one. Ignored on restart."},
    {"initial-cluster-token", at<&C::initial_cluster_token>, "etcd-cluster", "", built, clustering, "",
     "Goes into the cluster's id, so that clusters with the same members stay apart."},
    {"discovery-endpoints", SortedTexts{at<&C::discovery, &D::endpoints>}, "", "", built, clustering,
     "discovery-config/client/endpoints", "Endpoints of the cluster that serves v3 discovery."},
    {"discovery-token", at<&C::discovery, &D::token>, "", "", built, clustering, "discovery-config/token",
     "v3 discovery: token of the cluster to be formed."},
    {"discovery-dial-timeout", at<&C::discovery, &D::dial_timeout>, "2s", "", built, clustering,
     "discovery-config/client/dial-timeout", "v3 discovery: time to wait for a connection."},
    {"discovery-request-timeout", at<&C::discovery, &D::request_timeout>, "5s", "", built, clustering,
     "discovery-config/client/request-timeout", "v3 discovery: time to wait for an answer, without the connecting."},
    {"discovery-keepalive-time", at<&C::discovery, &D::keepalive_time>, "2s", "", built, clustering,
     "discovery-config/client/keepalive-time", "v3 discovery: time between two pings."},
    {"discovery-keepalive-timeout", at<&C::discovery, &D::keepalive_timeout>, "6s", "", built, clustering,
     "discovery-config/client/keepalive-timeout", "v3 discovery: time to wait for the answer to a ping."},
    {"discovery-insecure-transport", at<&C::discovery, &D::insecure_transport>, "true", "", built, clustering,
     "discovery-config/client/secure/insecure-transport", "v3 discovery: connect without TLS."},
    {"discovery-insecure-skip-tls-verify", at<&C::discovery, &D::insecure_skip_tls_verify>, "false", "", built,
     clustering, "discovery-config/client/secure/insecure-skip-tls-verify",
     "v3 discovery: take any server certificate. For tests only."},
    {"discovery-cert", at<&C::discovery, &D::cert_file>, "", "", built, clustering,
     "discovery-config/client/secure/cert", "v3 discovery: client certificate file."},
    {"discovery-key", at<&C::discovery, &D::key_file>, "", "", built, clustering, "discovery-config/client/secure/key",
     "v3 discovery: client key file."},
    {"discovery-cacert", at<&C::discovery, &D::ca_file>, "", "", built, clustering,
     "discovery-config/client/secure/cacert", "v3 discovery: CA file to check the server with."},
    {"discovery-user", at<&C::discovery, &D::user>, "", "", built, clustering, "discovery-config/client/auth/username",
     "v3 discovery: user, or user:password."},
    {"discovery-password", at<&C::discovery, &D::password>, "", "", built, clustering,
     "discovery-config/client/auth/password", "v3 discovery: the user's password."},
    {"discovery-fallback", Choice{at<&C::discovery, &D::fallback>, "exit|proxy"}, "exit", "", built, clustering, "-",
     "What to do when discovery fails; only exit is left."},
    {"discovery-srv", at<&C::discovery, &D::srv_domain>, "", "", built, clustering, "",
     "DNS domain whose SRV records name the members."},
    {"discovery-srv-name", at<&C::discovery, &D::srv_name>, "", "", built, clustering, "",
     "Suffix of the service's name in those SRV records."},
    {"strict-reconfig-check", at<&C::strict_reconfig_check>, "true", "", built, clustering, "",
     "Refuse membership changes that would lose the quorum."},
    {"pre-vote", at<&C::pre_vote>, "true", "", built, clustering, "",
     "Ask for votes before raising the term, so that a member that comes back disturbs nobody."},
    {"max-learners", at<&C::max_learners>, "1", "members", built, clustering, "", "Learners allowed in the cluster."},
    {"auto-compaction-mode", at<&C::auto_compaction_mode>, "periodic", "", built, clustering, "",
     "What --auto-compaction-retention counts: periodic (time) or revision."},
    {"auto-compaction-retention", at<&C::auto_compaction_retention>, "0", "", built, clustering, "",
     "History to keep: hours or a duration such as 5m, or revisions (0: no automatic compaction)."},
    {"v2-deprecation",
     Choice{at<&C::v2_deprecation>, "write-only|gone|write-only-drop-data|write-only-skip-check", true}, "write-only",
     "", no_effect, clustering, "", "Without effect, as in etcd 3.7."},

    // Security
    {"cert-file", at<&C::client_tls, &T::cert_file>, "", "", built, security, "client-transport-security/cert-file",
     "Certificate file of the client port."},
    {"key-file", at<&C::client_tls, &T::key_file>, "", "", built, security, "client-transport-security/key-file",
     "Key file of the client port."},
    {"client-cert-file", at<&C::client_tls, &T::client_cert_file>, "", "", no_effect, security,
     "client-transport-security/client-cert-file",
     "Certificate for calls of this member to its own port; it makes none."},
    {"client-key-file", at<&C::client_tls, &T::client_key_file>, "", "", no_effect, security,
     "client-transport-security/client-key-file", "Key of --client-cert-file."},
    {"client-cert-auth", at<&C::client_tls, &T::client_cert_auth>, "false", "", built, security,
     "client-transport-security/client-cert-auth", "Clients must show a certificate."},
    {"trusted-ca-file", at<&C::client_tls, &T::trusted_ca_file>, "", "", built, security,
     "client-transport-security/trusted-ca-file", "CA file to check clients' certificates with."},
    {"client-crl-file", at<&C::client_tls, &T::crl_file>, "", "", built, security, "-",
     "File of revoked client certificates."},
    {"client-cert-allowed-hostname", OrderedTexts{at<&C::client_tls, &T::allowed_hostnames>}, "", "", built, security,
     "client-transport-security/allowed-hostname", "Names of which a client's certificate must carry one."},
    {"auto-tls", at<&C::client_tls, &T::auto_tls>, "false", "", built, security, "client-transport-security/auto-tls",
     "Make a self-signed certificate for the client port."},
    {"peer-cert-file", at<&C::peer_tls, &T::cert_file>, "", "", built, security, "peer-transport-security/cert-file",
     "Certificate file of the peer port."},
    {"peer-key-file", at<&C::peer_tls, &T::key_file>, "", "", built, security, "peer-transport-security/key-file",
     "Key file of the peer port."},
    {"peer-client-cert-file", at<&C::peer_tls, &T::client_cert_file>, "", "", built, security,
     "peer-transport-security/client-cert-file", "Certificate shown to other members; otherwise --peer-cert-file."},
    {"peer-client-key-file", at<&C::peer_tls, &T::client_key_file>, "", "", built, security,
     "peer-transport-security/client-key-file", "Key of --peer-client-cert-file."},
    {"peer-client-cert-auth", at<&C::peer_tls, &T::client_cert_auth>, "false", "", built, security,
     "peer-transport-security/client-cert-auth", "Other members must show a certificate."},
    {"peer-trusted-ca-file", at<&C::peer_tls, &T::trusted_ca_file>, "", "", built, security,
     "peer-transport-security/trusted-ca-file", "CA file to check members' certificates with."},
    {"peer-crl-file", at<&C::peer_tls, &T::crl_file>, "", "", built, security, "-",
     "File of revoked member certificates."},
    {"peer-cert-allowed-cn", OrderedTexts{at<&C::peer_tls, &T::allowed_cns>}, "", "", built, security,
     "peer-transport-security/allowed-cn", "Common names of which a member's certificate must carry one."},
    {"peer-cert-allowed-hostname", OrderedTexts{at<&C::peer_tls, &T::allowed_hostnames>}, "", "", built, security,
     "peer-transport-security/allowed-hostname", "Names of which a member's certificate must carry one."},
    {"peer-auto-tls", at<&C::peer_tls, &T::auto_tls>, "false", "", built, security, "peer-transport-security/auto-tls",
     "Make a self-signed certificate for the peer port."},
    {"peer-skip-client-san-verification", at<&C::peer_tls, &T::skip_client_san_verification>, "false", "", built,
     security, "peer-transport-security/skip-client-san-verification",
     "Don't compare a member's address with the names in its certificate."},
    {"self-signed-cert-validity", at<&C::self_signed_cert_validity_years>, "1", "years", built, security, "",
     "Validity of the certificates made by --auto-tls and --peer-auto-tls."},
    {"cipher-suites", OrderedTexts{at<&C::cipher_suites>}, "", "", built, security, "",
     "TLS 1.2 cipher suites allowed, by Go's names (empty: a good choice)."},
    {"tls-min-version", at<&C::tls_min_version>, "TLS1.2", "", built, security, "",
     "Lowest TLS version: TLS1.2 or TLS1.3."},
    {"tls-max-version", at<&C::tls_max_version>, "", "", built, security, "",
     "Highest TLS version: TLS1.2 or TLS1.3 (empty: the highest there is)."},
    {"cors", Origins{at<&C::cors>}, "*", "", built, security, "",
     "Origins that browsers may call from (empty or *: all)."},
    {"host-whitelist", SortedTexts{at<&C::host_whitelist>}, "*", "", built, security, "",
     "Host names that plain HTTP requests may name (empty or *: all)."},

    // Auth
    {"auth-token", at<&C::auth_token>, "simple", "", planned, auth, "",
     "Kind of authentication token and its options: simple, or jwt,..."},
    {"bcrypt-cost", at<&C::bcrypt_cost>, "10", "", planned, auth, "", "Cost of hashing a password, 4 to 31."},
    {"auth-token-ttl", at<&C::auth_token_ttl_seconds>, "300", "s", planned, auth, "",
     "Time for which a simple token is good."},

    // Profiling and monitoring
    {"enable-pprof", at<&C::enable_pprof>, "false", "", no_effect, profiling, "",
     "Go's runtime profiles under /debug/pprof/; there are none here, perf shows more."},
    {"metrics", at<&C::metrics>, "basic", "", built, profiling, "",
     "basic, or extensive to add histograms of gRPC handling times."},
    {"listen-metrics-urls", at<&C::listen_metrics_urls>, "", "", built, profiling, "",
     "Further URLs to listen on for /metrics and the health end points."},
    {"enable-grpc-gateway", at<&C::enable_grpc_gateway>, "true", "", built, profiling, "",
     "Serve the JSON form of the API under /v3/."},

    // Logging
    {"logger", at<&C::logger>, "zap", "", built, logging, "", "Form of the logs; only zap."},
    {"log-outputs", SortedTexts{at<&C::log_outputs>}, "default", "", built, logging, "",
     "Where logs go: default (stderr), stderr, stdout, or paths of files."},
    {"log-level", at<&C::log_level>, "info", "", built, logging, "",
     "Lowest level to log: debug, info, warn, error, panic or fatal."},
    {"log-format", at<&C::log_format>, "json", "", built, logging, "", "json or console."},
    {"enable-log-rotation", at<&C::enable_log_rotation>, "false", "", built, logging, "",
     "Rotate the log file; needs exactly one file in --log-outputs."},
    {"log-rotation-config-json", at<&C::log_rotation_config_json>,
     R"({"maxsize": 100, "maxage": 0, "maxbackups": 0, "localtime": false, "compress": false})", "", built, logging, "",
     "How to rotate: maxsize in MB, maxage in days and maxbackups (0: no limit), localtime, "
     "compress."},
    {"warning-unary-request-duration", at<&C::warning_unary_request_duration>, "300ms", "", built, logging, "",
     "A unary request that takes longer is logged."},
    {"warning-apply-duration", at<&C::warning_apply_duration>, "100ms", "", built, logging, "",
     "An apply that takes longer is logged."},

    // Distributed tracing
    {"enable-distributed-tracing", at<&C::enable_distributed_tracing>, "false", "", planned, tracing, "",
     "Send traces to an OpenTelemetry collector."},
    {"distributed-tracing-address", at<&C::distributed_tracing_address>, "localhost:4317", "", planned, tracing, "",
     "Address of the collector."},
    {"distributed-tracing-service-name", at<&C::distributed_tracing_service_name>, "etcd", "", planned, tracing, "",
     "Service name in the traces, the same for all members."},
    {"distributed-tracing-instance-id", at<&C::distributed_tracing_instance_id>, "", "", planned, tracing, "",
     "Instance id in the traces, different for each member."},
    {"distributed-tracing-sampling-rate", at<&C::distributed_tracing_sampling_rate>, "0", "per million", planned,
     tracing, "", "Spans sampled out of a million."},

    // Features
    {"corrupt-check-time", at<&C::corrupt_check_time>, "0s", "", built, features, "",
     "Time between two comparisons of all members' data (0: never)."},
    {"compact-hash-check-time", at<&C::compact_hash_check_time>, "1m0s", "", built, features, "",
     "Time between two comparisons of the members' compaction hashes."},
    {"compaction-batch-limit", at<&C::compaction_batch_limit>, "0", "revisions", built, features, "",
     "Revisions removed in one step of a compaction (0: 1000)."},
    {"compaction-sleep-interval", at<&C::compaction_sleep_interval>, "0s", "", built, features, "",
     "Rest between two steps of a compaction (0: 10ms)."},
    {"watch-progress-notify-interval", at<&C::watch_progress_notify_interval>, "0s", "", built, features, "",
     "Time between two progress notifications of a quiet watch (0: 10m)."},
    {"downgrade-check-time", at<&C::downgrade_check_time>, "5s", "", built, features, "",
     "Time between two checks of a running downgrade."},
    {"bootstrap-defrag-threshold-megabytes", at<&C::bootstrap_defrag_threshold_megabytes>, "0", "MB", built, features,
     "", "Defragment at the start if that frees at least this much (0: never)."},

    // Unsafe
    {"force-new-cluster", at<&C::force_new_cluster>, "false", "", built, unsafe, "",
     "Make a new cluster of this member alone, with its data."},
    {"unsafe-no-fsync", at<&C::unsafe_no_fsync>, "false", "", built, unsafe, "",
     "Never fsync. A crash of the machine then loses data."},
    // --version and --help take no value and stand in command_line.cc.
    {"config-file", at<&C::config_file>, "", "", built, member, "-",
     "Read all settings from this YAML or JSON file; flags and environment are then ignored."},
};

constexpr std::string_view kIgnored[] = {
    "cluster-active-size", "cluster-remove-delay", "cluster-sync-interval", "config", "force",
    "max-result-buffer", "max-retry-attempts", "peer-heartbeat-interval", "peer-election-timeout",
    "retry-interval", "snapshot", "v", "vv", "test.coverprofile", "test.outputdir"};

}  // namespace

std::span<const Flag> flag_table() { return kFlags; }
std::span<const std::string_view> ignored_flags() { return kIgnored; }

std::string_view heading(Group group) {
  switch (group) {
    case Group::member: return "Member";
    case Group::clustering: return "Clustering";
    case Group::security: return "Security";
    case Group::auth: return "Auth";
    case Group::profiling: return "Profiling and Monitoring";
    case Group::logging: return "Logging";
    case Group::tracing: return "Distributed tracing";
    case Group::features: return "Features";
    case Group::unsafe: return "Unsafe feature";
  }
  return "";
}

}  // namespace holdfast::config
