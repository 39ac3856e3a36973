// FLG-06: what is refused, in etcd's words.
#include "apps/holdfast/validate.h"

#include <gtest/gtest.h>

#include "apps/holdfast/flag_table.h"

namespace holdfast::config {
namespace {

using Setting = std::pair<std::string_view, std::string_view>;

Config with(const std::vector<Setting>& settings) {
  Config config = default_config();
  for (const auto& [name, value] : settings) {
    const absl::Status status = set_from_text(*find_flag(name), value, config);
    EXPECT_TRUE(status.ok()) << name << ": " << status;
  }
  return config;
}

std::string error(const std::vector<Setting>& settings) {
  Config config = with(settings);
  if (auto status = validate_logging(config); !status.ok()) return std::string(status.message());
  std::vector<Notice> notices;
  return std::string(validate(config, notices).message());
}

TEST(Validate, Defaults) { EXPECT_EQ(error({}), ""); }

TEST(Validate, Urls) {
  EXPECT_EQ(error({{"listen-peer-urls", "http://example.com:1"}}),
            "expected IP in URL for binding (http://example.com:1)");
  EXPECT_EQ(error({{"listen-client-urls", "http://:1"}}),
            "expected IP in URL for binding (http://:1)");
  EXPECT_EQ(error({{"listen-metrics-urls", "http://host:1"}}),
            "expected IP in URL for binding (http://host:1)");
  EXPECT_EQ(error({{"listen-client-urls", "unix://whatever,http://[::1]:2,http://localhost:3"}}), "");
  EXPECT_EQ(error({{"initial-advertise-peer-urls", "http://:2380"}}),
            "--initial-advertise-peer-urls \"http://:2380\" must be \"host:port\" (unexpected empty "
            "host (http://:2380))");
  EXPECT_EQ(error({{"advertise-client-urls", "http://:2379"}}),
            "--advertise-client-urls \"http://:2379\" must be in the format \"host:port\", "
            "\"unix:/path/to/socket\" or \"unixs:/path/to/socket\" (unexpected empty host "
            "(http://:2379))");
}

// OPS-01
TEST(Validate, OneWayToBootstrap) {
  const std::string conflict =
      "multiple discovery or bootstrap flags are set. Choose one of \"initial-cluster\", "
      "\"discovery-endpoints\" or \"discovery-srv\"";
  EXPECT_EQ(error({{"discovery-srv", "example.com"}}), conflict);
  EXPECT_EQ(error({{"discovery-endpoints", "a"}, {"discovery-token", "t"}}), conflict);
  EXPECT_EQ(error({{"initial-cluster", ""}, {"discovery-endpoints", "a"}}),
            "both --discovery-token and --discovery-endpoints must be set");
  EXPECT_EQ(
      error({{"initial-cluster", ""}, {"discovery-endpoints", "a, "}, {"discovery-token", "t"}}),
      "--discovery-endpoints must not contain empty endpoints");
  EXPECT_EQ(error({{"discovery-fallback", "proxy"}}),
            "v2 proxy is deprecated, and --discovery-fallback can't be configured as \"proxy\"");
  Config config = default_config();
  config.initial_cluster_state = "old";  // possible in a file
  std::vector<Notice> notices;
  EXPECT_EQ(validate(config, notices).message(), "unexpected clusterState \"old\"");
}

TEST(Validate, Timing) {
  EXPECT_EQ(error({{"heartbeat-interval", "0"}}),
            "--heartbeat-interval must be >0 (set to 0ms)");
  EXPECT_EQ(error({{"election-timeout", "0"}}), "--election-timeout must be >0 (set to 0ms)");
  EXPECT_EQ(error({{"election-timeout", "499"}}),
            "--election-timeout[499ms] should be at least as 5 times as "
            "--heartbeat-interval[100ms]");
  EXPECT_EQ(error({{"election-timeout", "500"}}), "");
  EXPECT_EQ(error({{"election-timeout", "50000"}}), "");
  EXPECT_EQ(error({{"election-timeout", "50001"}}),
            "--election-timeout[50001ms] is too long, and should be set less than 50000ms");
  EXPECT_NE(error({{"heartbeat-interval", "18446744073709551615"}}), "");
}

// F-052, F-053
TEST(Validate, Compaction) {
  const auto resolve = [](std::string_view mode, std::string_view retention) {
    Config config = with({{"auto-compaction-mode", mode}, {"auto-compaction-retention", retention}});
    std::vector<Notice> notices;
    EXPECT_TRUE(validate(config, notices).ok());
    return config.resolved;
  };
  EXPECT_EQ(resolve("periodic", "5").compaction_period, std::chrono::hours(5));
  EXPECT_EQ(resolve("periodic", "5m").compaction_period, std::chrono::minutes(5));
  EXPECT_EQ(resolve("periodic", "").compaction_period, env::Duration(0));
  EXPECT_EQ(resolve("periodic", "010").compaction_period, std::chrono::hours(10));
  EXPECT_EQ(resolve("revision", "1000").compaction_revisions, 1000);
  EXPECT_EQ(resolve("revision", "1000").compaction_mode, CompactionMode::revision);
  EXPECT_EQ(error({{"auto-compaction-mode", ""}}), "undefined auto-compaction-mode");
  EXPECT_EQ(error({{"auto-compaction-mode", "daily"}}), "unknown auto-compaction-mode \"daily\"");
  EXPECT_EQ(error({{"auto-compaction-retention", "x"}}),
            "error parsing CompactionRetention: time: invalid duration \"x\"");
  EXPECT_NE(error({{"auto-compaction-retention", "99999999999999999999"}}), "");
  EXPECT_NE(error({{"auto-compaction-retention", "9999999999"}}), "");
}

TEST(Validate, FeaturesAndTracing) {
  EXPECT_EQ(error({{"compact-hash-check-time", "0"}}),
            "--compact-hash-check-time must be >0 (set to 0s)");
  EXPECT_EQ(error({{"feature-gates", "LeaseCheckpointPersist=true"}}),
            "enabling feature gate LeaseCheckpointPersist requires enabling feature gate "
            "LeaseCheckpoint");
  EXPECT_EQ(error({{"enable-distributed-tracing", "true"},
                   {"distributed-tracing-sampling-rate", "-1"}}),
            "distributed tracing configurition is not valid: (tracing sampling rate must be "
            "positive)");
  EXPECT_EQ(error({{"enable-distributed-tracing", "true"},
                   {"distributed-tracing-sampling-rate", "1000001"}}),
            "distributed tracing configurition is not valid: (tracing sampling rate must be less "
            "than 1000000)");
  EXPECT_EQ(error({{"distributed-tracing-sampling-rate", "-1"}}), "");
}

// F-072, F-073
TEST(Validate, Tls) {
  EXPECT_EQ(error({{"tls-min-version", "TLS1.1"}}),
            "unexpected TLS version \"TLS1.1\" (must be one of: TLS1.2, TLS1.3)");
  EXPECT_EQ(error({{"tls-min-version", "TLS1.3"}, {"tls-max-version", "TLS1.2"}}),
            "min version (TLS1.3) is greater than max version (TLS1.2)");
  EXPECT_EQ(error({{"tls-min-version", "TLS1.3"}, {"cipher-suites", "X"}}),
            "cipher suites cannot be configured when only TLS1.3 is enabled");
  EXPECT_EQ(error({{"cipher-suites", "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256,TLS_NONE"}}),
            "unexpected TLS cipher suite \"TLS_NONE\"");
  EXPECT_EQ(error({{"cipher-suites", "TLS_AES_128_GCM_SHA256,TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305"}}), "");
}

// F-082..F-087
TEST(Validate, Logging) {
  EXPECT_EQ(error({{"logger", "capnslog"}}), "--logger=capnslog is removed in v3.5");
  EXPECT_EQ(error({{"logger", "x"}}), "unknown logger option \"x\"");
  EXPECT_EQ(error({{"log-outputs", "default,stderr"}}),
            "multi logoutput for \"default\" is not supported yet");
  EXPECT_EQ(error({{"log-outputs", "systemd/journal"}}),
            "--log-outputs=systemd/journal is not supported by this version of holdfast yet");
  EXPECT_EQ(error({{"log-level", "loud"}}), "unrecognized level: \"loud\"");
  EXPECT_EQ(error({{"log-level", "WARN"}}), "");
  EXPECT_EQ(error({{"log-format", "xml"}}),
            "unknown log format: xml, supported values json, console");
  const std::string needs_file =
      "--log-outputs requires a single file path when --log-rotate-config-json is defined";
  EXPECT_EQ(error({{"enable-log-rotation", "true"}}), needs_file);
  EXPECT_EQ(error({{"enable-log-rotation", "true"}, {"log-outputs", "/a,/b"}}), needs_file);
  EXPECT_EQ(error({{"enable-log-rotation", "true"}, {"log-outputs", "/a,stderr"}}), "");
  EXPECT_EQ(error({{"enable-log-rotation", "true"},
                   {"log-outputs", "/a"},
                   {"log-rotation-config-json", "{"}}),
            "improperly formatted log rotation config: unexpected end of JSON input");
}

TEST(Validate, Warnings) {
  Config config = with({{"max-request-bytes", "10485761"}});
  std::vector<Notice> notices;
  ASSERT_TRUE(validate(config, notices).ok());
  ASSERT_EQ(notices.size(), 3u);
  EXPECT_EQ(notices[0].message,
            "Running http and grpc server on single port. This is not recommended for production.");
  EXPECT_EQ(notices[1].message.rfind("it isn't recommended to use default name", 0), 0u);
  EXPECT_EQ(notices[2].message, "exceeded recommended request limit");
}

}  // namespace
}  // namespace holdfast::config
