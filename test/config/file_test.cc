// FLG-03
#include "apps/holdfast/config_file.h"

#include <gtest/gtest.h>

#include "apps/holdfast/flag_table.h"

namespace holdfast::config {
namespace {

Config read(std::string_view text) {
  Config config = default_config();
  const absl::Status status = apply_config_file(text, config);
  EXPECT_TRUE(status.ok()) << status;
  return config;
}

std::string error(std::string_view text) {
  Config config = default_config();
  return std::string(apply_config_file(text, config).message());
}

TEST(ConfigFile, YamlAndJsonMeanTheSame) {
  const Config yaml = read(R"(
name: 'm1'
snapshot-count: 5000
pre-vote: no
listen-client-urls: http://127.0.0.1:2, http://127.0.0.1:1
grpc-keepalive-timeout: 3000000000
log-outputs: [stderr, /tmp/x.log]
host-whitelist: "b,a"
cors: "http://x:1"
unknown-key: {a: [1, 2]}
)");
  const Config json = read(R"({"name": "m1", "snapshot-count": 5000, "pre-vote": false,
    "listen-client-urls": "http://127.0.0.1:2, http://127.0.0.1:1",
    "grpc-keepalive-timeout": 3000000000, "log-outputs": ["stderr", "/tmp/x.log"],
    "host-whitelist": "b,a", "cors": "http://x:1"})");
  for (const Config* config : {&yaml, &json}) {
    EXPECT_EQ(config->name, "m1");
    EXPECT_EQ(config->snapshot_count, 5000u);
    EXPECT_FALSE(config->pre_vote);
    EXPECT_EQ(join_urls(config->listen_client_urls), "http://127.0.0.1:1,http://127.0.0.1:2");
    EXPECT_EQ(config->grpc_keepalive_timeout, std::chrono::seconds(3));
    EXPECT_EQ(config->log_outputs, (std::vector<std::string>{"stderr", "/tmp/x.log"}));
    EXPECT_EQ(config->host_whitelist, (std::vector<std::string>{"a", "b"}));
    EXPECT_EQ(config->cors, std::vector<std::string>{"http://x:1"});
    // Not cleared as on the command line: the file leaves the default.
    EXPECT_EQ(join_urls(config->advertise_client_urls), "http://localhost:2379");
  }
}

TEST(ConfigFile, NestedSections) {
  const Config config = read(R"(
client-transport-security:
  cert-file: /c
  client-cert-auth: true
  allowed-hostname: [h1, h2]
peer-transport-security:
  auto-tls: true
  allowed-cn: [cn]
  skip-client-san-verification: true
socket-options:
  reuse-port: true
discovery-config:
  token: tok
  client:
    endpoints: [a, b]
    dial-timeout: 1000000000
    secure: {cacert: /ca}
feature-gates: LeaseCheckpoint=true
)");
  EXPECT_EQ(config.client_tls.cert_file, "/c");
  EXPECT_TRUE(config.client_tls.client_cert_auth);
  EXPECT_EQ(config.client_tls.allowed_hostnames, (std::vector<std::string>{"h1", "h2"}));
  EXPECT_TRUE(config.peer_tls.auto_tls);
  EXPECT_TRUE(config.peer_tls.skip_client_san_verification);
  EXPECT_EQ(config.peer_tls.allowed_cns, std::vector<std::string>{"cn"});
  EXPECT_TRUE(config.socket_reuse_port);
  EXPECT_EQ(config.discovery.token, "tok");
  EXPECT_EQ(config.discovery.dial_timeout, std::chrono::seconds(1));
  EXPECT_EQ(config.discovery.ca_file, "/ca");
  EXPECT_EQ(config.initial_cluster, "");  // discovery takes its place
  EXPECT_TRUE(config.feature_gates.enabled(Feature::lease_checkpoint));
  EXPECT_EQ(config.explicitly_set.count("peer-auto-tls"), 1u);
}

TEST(ConfigFile, FlagNamesThatAreNoFileKeys) {
  const Config config = read("cert-file: /x\nsocket-reuse-port: true\nclient-crl-file: /y\n");
  EXPECT_EQ(config.client_tls.cert_file, "");
  EXPECT_FALSE(config.socket_reuse_port);
  EXPECT_EQ(config.client_tls.crl_file, "");
}

TEST(ConfigFile, KeysIgnoreCaseAndNullChangesNothing) {
  const Config config = read("Name: x\nmax-wals:\ndata-dir: ~\ninitial-cluster-token: 123\n");
  EXPECT_EQ(config.name, "x");
  EXPECT_EQ(config.max_wals, 5u);
  EXPECT_EQ(config.data_dir, "");
  EXPECT_EQ(config.initial_cluster_token, "123");
  EXPECT_EQ(read("").name, "default");
  EXPECT_EQ(read("# nothing").name, "default");
}

TEST(ConfigFile, WrongTypes) {
  EXPECT_EQ(error("max-wals: '5'"),
            "error unmarshaling JSON: while decoding JSON: json: cannot unmarshal string into Go "
            "struct field configYAML.max-wals of type uint");
  // Durations are numbers of nanoseconds (TRP-61).
  EXPECT_NE(error("grpc-keepalive-timeout: 5s").find("of type time.Duration"), std::string::npos);
  EXPECT_NE(error("pre-vote: 'true'").find("of type bool"), std::string::npos);
  EXPECT_NE(error("pre-vote: 1").find("of type bool"), std::string::npos);
  EXPECT_NE(error("name: [a]").find("cannot unmarshal array"), std::string::npos);
  EXPECT_NE(error("max-concurrent-streams: 4294967296").find("uint32"), std::string::npos);
  EXPECT_EQ(error("peer-transport-security: yes"), "invalid peer-transport-security");
  EXPECT_EQ(error("listen-peer-urls: tcp://x:1"),
            "unexpected error setting up listen-peer-urls: URL scheme must be http, https, unix, or "
            "unixs: tcp://x:1");
  EXPECT_EQ(error("feature-gates: X=true"), "unrecognized feature gate: X");
  EXPECT_NE(error("[1, 2]").find("cannot unmarshal array"), std::string::npos);
  EXPECT_NE(error("a: b: c").find("yaml: "), std::string::npos);
  EXPECT_NE(error("{\"a\": ").find("yaml: "), std::string::npos);
}

TEST(ConfigFile, DeepAndAliasedInputEndsInBoundedTime) {
  EXPECT_NE(error(std::string(100'000, '[')), "");
  EXPECT_NE(error(std::string(100'000, '{')), "");
  std::string bomb = "a: &a [x, x]\n";
  for (char c = 'b'; c <= 'z'; ++c)
    bomb += std::string(1, c) + ": &" + c + " [*" + char(c - 1) + ", *" + char(c - 1) + "]\n";
  EXPECT_EQ(read(bomb + "name: ok\n").name, "ok");
}

// TLS-13
TEST(LogRotation, Values) {
  const auto rotation = parse_log_rotation(
      R"({"maxsize": 1, "maxage": 2, "maxbackups": 3, "localtime": true, "compress": true})");
  ASSERT_TRUE(rotation.ok());
  EXPECT_EQ(rotation->size_megabytes_max, 1);
  EXPECT_EQ(rotation->age_days_max, 2);
  EXPECT_EQ(rotation->backups_max, 3);
  EXPECT_TRUE(rotation->local_time);
  EXPECT_TRUE(rotation->compress);
  EXPECT_TRUE(parse_log_rotation("{}").ok());
  EXPECT_EQ(parse_log_rotation(R"({"maxsize": true})").status().message(),
            "invalid log rotation config: json: cannot unmarshal bool into Go struct field "
            "logRotationConfig.Logger.maxsize of type int");
  EXPECT_EQ(parse_log_rotation("").status().message(),
            "improperly formatted log rotation config: unexpected end of JSON input");
  EXPECT_FALSE(parse_log_rotation("maxsize: 1").ok());
  EXPECT_FALSE(parse_log_rotation("{\"a\": }}").ok());
}

}  // namespace
}  // namespace holdfast::config
