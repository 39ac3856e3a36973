#include "apps/holdfast/validate.h"

#include <algorithm>
#include <array>
#include <utility>

#include "apps/holdfast/cipher_suites.h"
#include "apps/holdfast/config_file.h"
#include "apps/holdfast/flag_table.h"
#include "apps/holdfast/go_values.h"
#include "base/go_text.h"
#include "base/text.h"
#include "fmt/format.h"

namespace holdfast::config {
namespace {

using Notices = std::vector<Notice>;

// etcd's limit, so that a lost leader is noticed within a minute.
constexpr uint64_t kElectionTimeoutMsMax = 50'000;
// Above it etcd warns: a request is held in memory many times over.
constexpr uint64_t kRecommendedRequestBytesMax = 10 * 1024 * 1024;
constexpr int64_t kSamplingRateMax = 1'000'000;

absl::Status refuse(std::string text) { return absl::InvalidArgumentError(std::move(text)); }

bool is_standard_stream(std::string_view output) {
  return output == "default" || output == "stderr" || output == "stdout";
}

absl::StatusOr<LogLevel> parse_log_level(std::string_view text) {
  constexpr std::array<std::pair<std::string_view, LogLevel>, 8> kLevels = {
      {{"debug", LogLevel::debug}, {"info", LogLevel::info}, {"", LogLevel::info},
       {"warn", LogLevel::warn}, {"error", LogLevel::error}, {"dpanic", LogLevel::panic},
       {"panic", LogLevel::panic}, {"fatal", LogLevel::fatal}}};
  const std::string lower = ascii_lower(text);
  const bool one_case = text == lower || std::none_of(text.begin(), text.end(), [](char c) {
                          return c >= 'a' && c <= 'z';
                        });
  for (const auto& [name, level] : kLevels)
    if (one_case && lower == name) return level;
  return refuse(fmt::format("unrecognized level: {}", go_quote(text)));
}

absl::Status validate_rotation(Config& config) {
  const auto& outputs = config.log_outputs;
  const auto files = std::count_if(outputs.begin(), outputs.end(), [](const std::string& output) {
    return !is_standard_stream(output);
  });
  if ((outputs.size() == 1 && files == 0) || files > 1)
    return refuse(
        "--log-outputs requires a single file path when --log-rotate-config-json is defined");
  auto rotation = parse_log_rotation(config.log_rotation_config_json);
  if (!rotation.ok()) return rotation.status();
  config.resolved.log_rotation = *rotation;
  return absl::OkStatus();
}

// Listeners bind to addresses, never to names.
absl::Status check_listen_urls(const std::vector<Url>& urls) {
  for (const Url& url : urls) {
    if (url.is_unix()) continue;
    const auto parts = split_host_port(url.host);
    if (!parts.ok()) return parts.status();
    if (parts->host != "localhost" && !is_ip_address(parts->host))
      return refuse(fmt::format("expected IP in URL for binding ({})", url.text()));
  }
  return absl::OkStatus();
}

absl::Status check_advertised_urls(const std::vector<Url>& urls) {
  for (const Url& url : urls) {
    if (url.is_unix()) continue;
    const auto parts = split_host_port(url.host);
    if (!parts.ok()) return parts.status();
    if (parts->host.empty()) return refuse(fmt::format("unexpected empty host ({})", url.text()));
  }
  return absl::OkStatus();
}

absl::Status check_urls(const Config& config, Notices& notices) {
  for (const auto* urls : {&config.listen_peer_urls, &config.listen_client_urls,
                           &config.listen_client_http_urls, &config.listen_metrics_urls})
    if (auto status = check_listen_urls(*urls); !status.ok()) return status;
  if (config.listen_client_http_urls.empty())
    notices.push_back({LogLevel::warn,
                       "Running http and grpc server on single port. This is not recommended for "
                       "production.",
                       {}});
  if (auto status = check_advertised_urls(config.initial_advertise_peer_urls); !status.ok())
    return refuse(fmt::format("--initial-advertise-peer-urls {} must be \"host:port\" ({})",
                              go_quote(join_urls(config.initial_advertise_peer_urls)),
                              std::string(status.message())));
  if (auto status = check_advertised_urls(config.advertise_client_urls); !status.ok())
    return refuse(
        fmt::format("--advertise-client-urls {} must be in the format \"host:port\", "
                    "\"unix:/path/to/socket\" or \"unixs:/path/to/socket\" ({})",
                    go_quote(join_urls(config.advertise_client_urls)),
                    std::string(status.message())));
  return absl::OkStatus();
}

bool is_blank(const std::string& text) {
  return text.find_first_not_of(" \t\r\n") == std::string::npos;
}

absl::Status check_bootstrap(Config& config) {
  const Discovery& discovery = config.discovery;
  if (discovery.fallback == "proxy")
    return refuse("v2 proxy is deprecated, and --discovery-fallback can't be configured as \"proxy\"");
  if (config.initial_cluster_state != "new" && config.initial_cluster_state != "existing")
    return refuse(
        fmt::format("unexpected clusterState {}", go_quote(config.initial_cluster_state)));
  config.resolved.cluster_state =
      config.initial_cluster_state == "new" ? ClusterState::fresh : ClusterState::existing;
  const int ways = static_cast<int>(!config.initial_cluster.empty()) +
                   static_cast<int>(!discovery.srv_domain.empty()) +
                   static_cast<int>(!discovery.endpoints.empty());
  if (ways > 1)
    return refuse(
        "multiple discovery or bootstrap flags are set. Choose one of \"initial-cluster\", "
        "\"discovery-endpoints\" or \"discovery-srv\"");
  if (discovery.token.empty() != discovery.endpoints.empty())
    return refuse("both --discovery-token and --discovery-endpoints must be set");
  if (std::any_of(discovery.endpoints.begin(), discovery.endpoints.end(), is_blank))
    return refuse("--discovery-endpoints must not contain empty endpoints");
  return absl::OkStatus();
}

absl::Status check_timing(const Config& config) {
  const uint64_t heartbeat = config.heartbeat_interval_ms;
  const uint64_t election = config.election_timeout_ms;
  if (heartbeat == 0) return refuse("--heartbeat-interval must be >0 (set to 0ms)");
  if (election == 0) return refuse("--election-timeout must be >0 (set to 0ms)");
  if (heartbeat > election / 5)
    return refuse(fmt::format(
        "--election-timeout[{}ms] should be at least as 5 times as --heartbeat-interval[{}ms]",
        election, heartbeat));
  if (election > kElectionTimeoutMsMax)
    return refuse(fmt::format(
        "--election-timeout[{}ms] is too long, and should be set less than {}ms", election,
        kElectionTimeoutMsMax));
  return absl::OkStatus();
}

// A plain number counts hours or revisions, by the mode; anything else is a duration (etcd embed/etcd.go
// parseCompactionRetention). A duration in revision mode counts its nanoseconds, as there.
absl::Status check_compaction(Config& config) {
  const std::string& mode = config.auto_compaction_mode;
  if (mode.empty()) return refuse("undefined auto-compaction-mode");
  if (mode != "periodic" && mode != "revision")
    return refuse(fmt::format("unknown auto-compaction-mode {}", go_quote(mode)));
  Resolved& resolved = config.resolved;
  resolved.compaction_mode =
      mode == "periodic" ? CompactionMode::periodic : CompactionMode::revision;
  std::string_view retention = config.auto_compaction_retention;
  if (retention.empty()) retention = "0";
  int64_t amount = 0;
  const bool is_number = std::all_of(retention.begin(), retention.end(),
                                     [](char c) { return c >= '0' && c <= '9'; });
  if (is_number) {
    // Base 10 whatever the zeros in front.
    for (char c : retention)
      if (__builtin_mul_overflow(amount, int64_t{10}, &amount) ||
          __builtin_add_overflow(amount, int64_t{c - '0'}, &amount))
        return refuse(fmt::format("error parsing CompactionRetention: time: invalid duration {}",
                                  go_quote(retention)));
    constexpr int64_t kHour = 3'600'000'000'000;
    if (mode == "periodic" && __builtin_mul_overflow(amount, kHour, &amount))
      return refuse(fmt::format("error parsing CompactionRetention: time: invalid duration {}",
                                go_quote(retention)));
  } else {
    const auto duration = parse_go_duration(retention);
    if (!duration.ok())
      return refuse(fmt::format("error parsing CompactionRetention: {}",
                                std::string(duration.status().message())));
    amount = duration->count();
  }
  resolved.compaction_period = env::Duration(mode == "periodic" ? amount : 0);
  resolved.compaction_revisions = mode == "revision" ? amount : 0;
  return absl::OkStatus();
}

absl::Status check_features(const Config& config, Notices& notices) {
  if (config.enable_distributed_tracing) {
    const int64_t rate = config.distributed_tracing_sampling_rate;
    constexpr std::string_view kText = "distributed tracing configurition is not valid: ({})";
    if (rate < 0)
      return refuse(fmt::format(kText, "tracing sampling rate must be positive"));
    if (rate > kSamplingRateMax)
      return refuse(fmt::format(
          kText, fmt::format("tracing sampling rate must be less than {}", kSamplingRateMax)));
  }
  const bool checkpoint = config.feature_gates.enabled(Feature::lease_checkpoint);
  const bool persist = config.feature_gates.enabled(Feature::lease_checkpoint_persist);
  if (checkpoint && !persist)
    notices.push_back({LogLevel::warn,
                       "Detected that checkpointing is enabled without persistence. Consider "
                       "enabling feature gate LeaseCheckpointPersist",
                       {}});
  if (persist && !checkpoint)
    return refuse(
        "enabling feature gate LeaseCheckpointPersist requires enabling feature gate "
        "LeaseCheckpoint");
  if (config.compact_hash_check_time.count() <= 0)
    return refuse(fmt::format("--compact-hash-check-time must be >0 (set to {})",
                              go_duration(config.compact_hash_check_time)));
  return absl::OkStatus();
}

absl::StatusOr<int> tls_version(const std::string& text) {
  if (text.empty()) return 0;
  if (text == "TLS1.2") return 12;
  if (text == "TLS1.3") return 13;
  return refuse(fmt::format("unexpected TLS version {} (must be one of: TLS1.2, TLS1.3)",
                            go_quote(text)));
}

absl::Status check_tls(const Config& config) {
  const auto lowest = tls_version(config.tls_min_version);
  if (!lowest.ok()) return lowest.status();
  const auto highest = tls_version(config.tls_max_version);
  if (!highest.ok()) return highest.status();
  if (*highest != 0 && *lowest > *highest)
    return refuse(fmt::format("min version ({}) is greater than max version ({})",
                              config.tls_min_version, config.tls_max_version));
  if (*lowest == 13 && !config.cipher_suites.empty())
    return refuse("cipher suites cannot be configured when only TLS1.3 is enabled");
  for (const std::string& suite : config.cipher_suites)
    if (!openssl_cipher(suite))
      return refuse(fmt::format("unexpected TLS cipher suite {}", go_quote(suite)));
  return absl::OkStatus();
}

void warn_of_unwise_values(const Config& config, Notices& notices) {
  if (config.name == "default")
    notices.push_back({LogLevel::warn,
                       "it isn't recommended to use default name, please set a value for --name. "
                       "Note that etcd might run into issue when multiple members have the same "
                       "default name",
                       {{"name", config.name}}});
  if (config.max_request_bytes > kRecommendedRequestBytesMax)
    notices.push_back({LogLevel::warn,
                       "exceeded recommended request limit",
                       {{"max-request-bytes", config.max_request_bytes},
                        {"recommended-request-bytes", kRecommendedRequestBytesMax}}});
}

}  // namespace

absl::Status validate_logging(Config& config) {
  if (config.logger == "capnslog") return refuse("--logger=capnslog is removed in v3.5");
  if (config.logger != "zap")
    return refuse(fmt::format("unknown logger option {}", go_quote(config.logger)));
  auto& outputs = config.log_outputs;
  if (outputs.empty()) outputs = {"default"};
  const auto has = [&](std::string_view output) {
    return std::find(outputs.begin(), outputs.end(), output) != outputs.end();
  };
  if (outputs.size() > 1 && has("default"))
    return refuse("multi logoutput for \"default\" is not supported yet");
  if (has("")) return refuse("--log-outputs must not contain empty paths");
  if (has("systemd/journal"))
    return refuse("--log-outputs=systemd/journal is not supported by this version of holdfast yet");
  if (config.enable_log_rotation)
    if (auto status = validate_rotation(config); !status.ok()) return status;
  const auto level = parse_log_level(config.log_level);
  if (!level.ok()) return level.status();
  config.resolved.log_level = *level;
  if (config.log_format != "json" && config.log_format != "console" && !config.log_format.empty())
    return refuse(fmt::format("unknown log format: {}, supported values json, console",
                              config.log_format));
  config.resolved.log_format =
      config.log_format == "console" ? LogFormat::console : LogFormat::json;
  return absl::OkStatus();
}

absl::Status validate(Config& config, Notices& notices) {
  if (auto status = check_urls(config, notices); !status.ok()) return status;
  if (auto status = check_bootstrap(config); !status.ok()) return status;
  if (auto status = check_timing(config); !status.ok()) return status;
  if (!config.listen_client_urls.empty() && config.advertise_client_urls.empty())
    return refuse("--advertise-client-urls is required when --listen-client-urls is set explicitly");
  if (auto status = check_compaction(config); !status.ok()) return status;
  if (auto status = check_features(config, notices); !status.ok()) return status;
  if (auto status = check_tls(config); !status.ok()) return status;
  config.resolved.metrics =
      config.metrics == "extensive" ? MetricsDetail::extensive : MetricsDetail::basic;
  warn_of_unwise_values(config, notices);
  return absl::OkStatus();
}

absl::Status refuse_unbuilt(const Config& config) {
  static const Config kDefaults = default_config();
  std::vector<std::string> sentences;
  for (const Flag& flag : flag_table())
    if (flag.support == Support::planned && value_text(flag, config) != value_text(flag, kDefaults))
      sentences.push_back(
          fmt::format("--{} is not supported by this version of holdfast yet", flag.name));
  if (sentences.empty()) return absl::OkStatus();
  return refuse(fmt::format("{}", fmt::join(sentences, "; ")));
}

}  // namespace holdfast::config
