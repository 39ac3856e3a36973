// Every flag of etcd 3.7.1 with its default, written down once more from etcd's documentation: flag, environment, file and
// help all come from the one table.
#include "apps/holdfast/flag_table.h"
#include "gtest/gtest.h"

namespace holdfast::config {
namespace {

struct Row {
  std::string_view name, value;
};

constexpr Row kRows[] = {
    {"name", "default"},  // F-001
    {"data-dir", ""},  // F-002: ${name}.etcd, when the name is known
    {"wal-dir", ""},  // F-003
    {"snapshot-count", "10000"},  // F-004, VD-04
    {"snapshot-catchup-entries", "5000"},  // F-005
    {"max-snapshots", "5"},  // F-006
    {"max-wals", "5"},  // F-007
    {"heartbeat-interval", "100"},  // F-008
    {"election-timeout", "1000"},  // F-009
    {"initial-election-tick-advance", "true"},  // F-010
    {"listen-peer-urls", "http://localhost:2380"},  // F-011
    {"listen-client-urls", "http://localhost:2379"},  // F-012
    {"listen-client-http-urls", ""},  // F-013
    {"listen-metrics-urls", ""},  // F-014
    {"quota-backend-bytes", "0"},  // F-015
    {"backend-bbolt-freelist-type", ""},  // F-016
    {"backend-batch-interval", "0"},  // F-017
    {"backend-batch-limit", "0"},  // F-018
    {"max-txn-ops", "128"},  // F-019
    {"max-request-bytes", "1572864"},  // F-020
    {"max-concurrent-streams", "4294967295"},  // F-021
    {"grpc-keepalive-min-time", "5s"},  // F-022
    {"grpc-keepalive-interval", "2h"},  // F-023
    {"grpc-keepalive-timeout", "20s"},  // F-024
    {"socket-reuse-port", "false"},  // F-025
    {"socket-reuse-address", "false"},  // F-026
    {"raft-read-timeout", "5s"},  // F-027
    {"raft-write-timeout", "5s"},  // F-028
    {"memory-mlock", "false"},  // F-029
    {"feature-gates", ""},  // F-030
    {"initial-advertise-peer-urls", "http://localhost:2380"},  // F-031
    {"advertise-client-urls", "http://localhost:2379"},  // F-032
    {"initial-cluster", "default=http://localhost:2380"},  // F-033
    {"initial-cluster-state", "new"},  // F-034
    {"initial-cluster-token", "etcd-cluster"},  // F-035
    {"discovery-endpoints", ""},  // F-036
    {"discovery-token", ""},  // F-037
    {"discovery-dial-timeout", "2s"},  // F-038
    {"discovery-request-timeout", "5s"},  // F-039
    {"discovery-keepalive-time", "2s"},  // F-040
    {"discovery-keepalive-timeout", "6s"},  // F-041
    {"discovery-insecure-transport", "true"},  // F-042
    {"discovery-insecure-skip-tls-verify", "false"},  // F-043
    {"discovery-cert", ""},  // F-044
    {"discovery-key", ""},  // F-044
    {"discovery-cacert", ""},  // F-044
    {"discovery-user", ""},  // F-045
    {"discovery-password", ""},  // F-045
    {"discovery-fallback", "exit"},  // F-046
    {"discovery-srv", ""},  // F-047
    {"discovery-srv-name", ""},  // F-048
    {"strict-reconfig-check", "true"},  // F-049
    {"pre-vote", "true"},  // F-050
    {"max-learners", "1"},  // F-051, VD-06
    {"auto-compaction-mode", "periodic"},  // F-052
    {"auto-compaction-retention", "0"},  // F-053
    {"v2-deprecation", "write-only"},  // F-054
    {"cert-file", ""},  // F-055
    {"key-file", ""},  // F-055
    {"client-cert-file", ""},  // F-056
    {"client-key-file", ""},  // F-056
    {"client-cert-auth", "false"},  // F-057
    {"trusted-ca-file", ""},  // F-058
    {"client-crl-file", ""},  // F-059
    {"client-cert-allowed-hostname", ""},  // F-060
    {"auto-tls", "false"},  // F-061
    {"peer-cert-file", ""},  // F-062
    {"peer-key-file", ""},  // F-062
    {"peer-client-cert-file", ""},  // F-063
    {"peer-client-key-file", ""},  // F-063
    {"peer-client-cert-auth", "false"},  // F-064
    {"peer-trusted-ca-file", ""},  // F-065
    {"peer-crl-file", ""},  // F-066
    {"peer-cert-allowed-cn", ""},  // F-067
    {"peer-cert-allowed-hostname", ""},  // F-068
    {"peer-auto-tls", "false"},  // F-069
    {"peer-skip-client-san-verification", "false"},  // F-070
    {"self-signed-cert-validity", "1"},  // F-071
    {"cipher-suites", ""},  // F-072
    {"tls-min-version", "TLS1.2"},  // F-073
    {"tls-max-version", ""},  // F-073
    {"cors", "*"},  // F-074
    {"host-whitelist", "*"},  // F-075
    {"auth-token", "simple"},  // F-076
    {"bcrypt-cost", "10"},  // F-077
    {"auth-token-ttl", "300"},  // F-078
    {"enable-pprof", "false"},  // F-079
    {"metrics", "basic"},  // F-080
    {"enable-grpc-gateway", "true"},  // F-081
    {"logger", "zap"},  // F-082
    {"log-outputs", "default"},  // F-083
    {"log-level", "info"},  // F-084
    {"log-format", "json"},  // F-085
    {"enable-log-rotation", "false"},  // F-086
    {"log-rotation-config-json",  // F-087
     "{\"maxsize\": 100, \"maxage\": 0, \"maxbackups\": 0, \"localtime\": false, \"compress\": false}"},
    {"warning-unary-request-duration", "300ms"},  // F-088
    {"warning-apply-duration", "100ms"},  // F-089
    {"enable-distributed-tracing", "false"},  // F-090
    {"distributed-tracing-address", "localhost:4317"},  // F-091
    {"distributed-tracing-service-name", "etcd"},  // F-092
    {"distributed-tracing-instance-id", ""},  // F-093
    {"distributed-tracing-sampling-rate", "0"},  // F-094
    {"corrupt-check-time", "0"},  // F-095
    {"compact-hash-check-time", "1m"},  // F-096
    {"compaction-batch-limit", "0"},  // F-097
    {"compaction-sleep-interval", "0"},  // F-098
    {"watch-progress-notify-interval", "0"},  // F-099
    {"downgrade-check-time", "5s"},  // F-100
    {"bootstrap-defrag-threshold-megabytes", "0"},  // F-101
    {"force-new-cluster", "false"},  // F-102
    {"unsafe-no-fsync", "false"},  // F-103
};

TEST(FlagDefaults, AreThoseOfEtcd) {
  const Config defaults = default_config();
  for (const Row& row : kRows) {
    const Flag* flag = find_flag(row.name);
    ASSERT_NE(flag, nullptr) << row.name;
    // What is in the configuration is what the text says.
    Config again = defaults;
    if (!row.value.empty()) {
      EXPECT_TRUE(set_from_text(*flag, row.value, again).ok()) << row.name;
    } else {
      EXPECT_EQ(value_text(*flag, defaults), "") << row.name;
    }
    EXPECT_EQ(value_text(*flag, again), value_text(*flag, defaults)) << row.name;
  }
}

}  // namespace
}  // namespace holdfast::config
