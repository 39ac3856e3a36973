#include <gtest/gtest.h>

#include "apps/holdfast/command_line.h"
#include "apps/holdfast/flag_table.h"

namespace holdfast::config {
namespace {

using Environment = std::vector<std::pair<std::string, std::string>>;

Outcome run(const std::vector<std::string>& arguments, Environment environment = {}, const std::string& file = "") {
  Surroundings surroundings;
  surroundings.environment = std::move(environment);
  surroundings.default_host = std::string("10.1.2.3");
  surroundings.read_file = [file](const std::string& path) -> absl::StatusOr<std::string> {
    if (path != "/conf") return absl::NotFoundError("open " + path + ": no such file or directory");
    return file;
  };
  return read_configuration(arguments, surroundings);
}

// The refusal, as main logs it.
std::string refusal(const Outcome& outcome) {
  if (outcome.notices.empty() || outcome.notices.back().message != "failed to verify flags") return "";
  EXPECT_EQ(outcome.next, Outcome::Next::leave);
  EXPECT_EQ(outcome.exit_code, 1);
  return outcome.notices.back().fields.at(0).json;
}

bool has_notice(const Outcome& outcome, std::string_view message) {
  for (const Notice& notice : outcome.notices)
    if (notice.message == message) return true;
  return false;
}

// F-001..F-103: the defaults that etcd documents.
TEST(CommandLine, Defaults) {
  const Outcome outcome = run({});
  ASSERT_EQ(outcome.next, Outcome::Next::run) << outcome.to_stderr;
  const Config& c = outcome.config;
  EXPECT_EQ(c.name, "default");
  EXPECT_EQ(c.data_dir, "default.etcd");
  EXPECT_EQ(c.snapshot_count, 10'000u);
  EXPECT_EQ(c.snapshot_catchup_entries, 5'000u);
  EXPECT_EQ(c.heartbeat_interval_ms, 100u);
  EXPECT_EQ(c.election_ticks(), 10u);
  EXPECT_EQ(join_urls(c.listen_client_urls), "http://localhost:2379");
  EXPECT_EQ(join_urls(c.listen_peer_urls), "http://localhost:2380");
  EXPECT_TRUE(c.listen_client_http_urls.empty());
  EXPECT_EQ(c.max_request_bytes, 1'572'864u);
  EXPECT_EQ(c.max_concurrent_streams, UINT32_MAX);
  EXPECT_EQ(c.grpc_keepalive_interval, std::chrono::hours(2));
  EXPECT_EQ(c.initial_cluster, "default=http://localhost:2380");
  EXPECT_EQ(c.cors, std::vector<std::string>{"*"});
  EXPECT_EQ(c.warning_unary_request_duration, std::chrono::milliseconds(300));
  EXPECT_TRUE(c.pre_vote);
  EXPECT_TRUE(c.discovery.endpoints.empty());
  EXPECT_TRUE(c.cipher_suites.empty());
  EXPECT_EQ(c.resolved.log_level, LogLevel::info);
  EXPECT_EQ(c.resolved.cluster_state, ClusterState::fresh);
  EXPECT_TRUE(c.explicitly_set.empty());
}

// FLG-01
TEST(CommandLine, GoSyntax) {
  const Outcome outcome =
      run({"-name", "a", "--snapshot-count=7", "-pre-vote=false", "--unsafe-no-fsync",
           "--election-timeout", "0x7d0", "--log-outputs=stdout,stderr,stdout", "--"});
  ASSERT_EQ(outcome.next, Outcome::Next::run);
  EXPECT_EQ(outcome.config.name, "a");
  EXPECT_EQ(outcome.config.snapshot_count, 7u);
  EXPECT_FALSE(outcome.config.pre_vote);
  EXPECT_TRUE(outcome.config.unsafe_no_fsync);
  EXPECT_EQ(outcome.config.election_timeout_ms, 2000u);
  EXPECT_EQ(outcome.config.log_outputs, (std::vector<std::string>{"stderr", "stdout"}));
  EXPECT_EQ(run({"--name=a=b"}).config.name, "a=b");
  EXPECT_EQ(run({"--name=a", "--name=b"}).config.name, "b");
}

TEST(CommandLine, FlagErrorsLeaveWithTwo) {
  const std::vector<std::pair<std::vector<std::string>, std::string>> cases = {
      {{"--nope"}, "flag provided but not defined: -nope"},
      {{"--experimental-pre-vote"}, "flag provided but not defined: -experimental-pre-vote"},  // RM-01
      {{"--discovery=x"}, "flag provided but not defined: -discovery"},                        // RM-02
      {{"--enable-v2"}, "flag provided but not defined: -enable-v2"},                          // RM-03
      {{"--proxy=on"}, "flag provided but not defined: -proxy"},                               // RM-04
      {{"--name"}, "flag needs an argument: -name"},
      {{"---name"}, "bad flag syntax: ---name"},
      {{"-=x"}, "bad flag syntax: -=x"},
      {{"--pre-vote=maybe"}, "invalid boolean value \"maybe\" for -pre-vote: parse error"},
      {{"--snapshot-count", "-1"}, "invalid value \"-1\" for flag -snapshot-count: parse error"},
      {{"--max-wals=18446744073709551616"},
       "invalid value \"18446744073709551616\" for flag -max-wals: value out of range"},
      {{"--max-concurrent-streams=4294967296"},
       "invalid value \"4294967296\" for flag -max-concurrent-streams: strconv.ParseUint: parsing "
       "\"4294967296\": value out of range"},
      {{"--grpc-keepalive-timeout=5"}, "invalid value \"5\" for flag -grpc-keepalive-timeout: parse error"},
      {{"--listen-client-urls=tcp://x:1"},
       "invalid value \"tcp://x:1\" for flag -listen-client-urls: URL scheme must be http, https, "
       "unix, or unixs: tcp://x:1"},
      {{"--initial-cluster-state=old"}, "invalid value \"old\" for flag -initial-cluster-state: invalid value"},
      {{"--v2-deprecation=not-yet"}, "invalid value \"not-yet\" for flag -v2-deprecation: invalid value \"not-yet\""},
      {{"--v2-deprecation=gone,no"}, "invalid value \"gone,no\" for flag -v2-deprecation: invalid value \"no\""},
      {{"--feature-gates=X=true"}, "invalid value \"X=true\" for flag -feature-gates: unrecognized feature gate: X"},
  };
  for (const auto& [arguments, error] : cases) {
    const Outcome outcome = run(arguments);
    EXPECT_EQ(outcome.next, Outcome::Next::leave) << error;
    EXPECT_EQ(outcome.exit_code, 2) << error;
    EXPECT_EQ(outcome.to_stderr.substr(0, outcome.to_stderr.find('\n')), error);
    EXPECT_NE(outcome.to_stderr.find("Usage:"), std::string::npos);
  }
}

TEST(CommandLine, StrayArgument) {
  EXPECT_EQ(refusal(run({"--name=a", "serve", "--nope"})), R"("\"serve\" is not a valid flag")");
  EXPECT_EQ(refusal(run({"--pre-vote", "false"})), R"("\"false\" is not a valid flag")");
  EXPECT_EQ(refusal(run({"-"})), R"("\"-\" is not a valid flag")");
}

TEST(CommandLine, HelpAndVersion) {  // FLG-04
  for (const char* flag : {"-h", "--help", "-help"}) {
    const Outcome outcome = run({flag});
    EXPECT_EQ(outcome.exit_code, 0);
    EXPECT_EQ(outcome.next, Outcome::Next::leave);
    EXPECT_NE(outcome.to_stdout.find("--election-timeout '1000'"), std::string::npos);
  }
  const Outcome version = run({"--version"});
  EXPECT_EQ(version.next, Outcome::Next::leave);
  EXPECT_EQ(version.exit_code, 0);
  EXPECT_EQ(version.to_stdout.rfind("holdfast Version: ", 0), 0u);
  EXPECT_NE(version.to_stdout.find("\netcd Version: 3.7.1\nGit SHA: "), std::string::npos);
  EXPECT_EQ(run({"--version=false"}).next, Outcome::Next::run);
}

// FLG-05
TEST(CommandLine, SubcommandsAreKnownByName) {
  for (const char* name : {"gateway", "grpc-proxy"}) {
    const Outcome outcome = run({name, "start"});
    EXPECT_EQ(outcome.exit_code, 1);
    EXPECT_NE(outcome.to_stderr.find("is not supported by this version of holdfast yet"),
              std::string::npos);
  }
}

// FLG-02, TRP-61
TEST(CommandLine, Environment) {
  const Outcome outcome = run({"--name=a"}, {{"ETCD_MAX_TXN_OPS", "9"},
                                             {"ETCD_DATA_DIR", ""},
                                             {"ETCD_NO_SUCH", "1"},
                                             {"ETCD_VERSION", "3"},
                                             {"HOME", "/"}});
  ASSERT_EQ(outcome.next, Outcome::Next::run);
  EXPECT_EQ(outcome.config.max_txn_ops, 9u);
  EXPECT_EQ(outcome.config.data_dir, "a.etcd");
  EXPECT_TRUE(has_notice(outcome, "recognized and used environment variable"));
  EXPECT_TRUE(has_notice(outcome, "unrecognized environment variable"));
  EXPECT_TRUE(has_notice(outcome, "cannot set special environment variable"));
  EXPECT_NE(refusal(run({"--name=a"}, {{"ETCD_NAME", "a"}}))
                .find("conflicting environment variable is shadowed by corresponding command-line "
                      "flag (either unset environment variable or disable flag))"),
            std::string::npos);
  EXPECT_EQ(refusal(run({}, {{"ETCD_MAX_WALS", "x"}})),
            R"("invalid value \"x\" for ETCD_MAX_WALS: parse error")");
}

// FLG-08
TEST(CommandLine, UnsupportedArchitecturesAreAskedForByName) {
  const auto on = [](const char* arch, Environment environment) {
    Surroundings surroundings;
    surroundings.environment = std::move(environment);
    surroundings.architecture = arch;
    return read_configuration({"--name=a"}, surroundings);
  };
  constexpr const char* kRefused =
      "Refusing to run etcd on unsupported architecture since ETCD_UNSUPPORTED_ARCH is not set";
  for (const char* arch : {"amd64", "arm64", "ppc64le", "s390x"}) EXPECT_EQ(on(arch, {}).next, Outcome::Next::run);
  for (const Environment& environment : {Environment{}, Environment{{"ETCD_UNSUPPORTED_ARCH", "386"}}}) {
    const Outcome refused = on("riscv64", environment);
    EXPECT_EQ(refused.next, Outcome::Next::leave);
    EXPECT_EQ(refused.exit_code, 1);
    ASSERT_EQ(refused.notices.size(), 1u);
    EXPECT_EQ(refused.notices[0].message, kRefused);
    EXPECT_EQ(refused.notices[0].fields.at(0).json, "\"riscv64\"");
  }
  const Outcome asked = on("riscv64", {{"ETCD_UNSUPPORTED_ARCH", "riscv64"}});
  EXPECT_EQ(asked.next, Outcome::Next::run);
  EXPECT_TRUE(has_notice(asked, "running etcd on unsupported architecture since ETCD_UNSUPPORTED_ARCH is set"));
  EXPECT_FALSE(has_notice(asked, "unrecognized environment variable"));
  EXPECT_TRUE(has_notice(on("amd64", {{"ETCD_UNSUPPORTED_ARCH", "amd64"}}), "unrecognized environment variable"));
  const std::string_view here = built_for();
  EXPECT_NE(here, "unknown");
}

// FLG-03, TRP-61
TEST(CommandLine, ConfigFileTakesOver) {
  const Outcome outcome = run({"--name=flag", "--config-file=/conf"}, {{"ETCD_NAME", "env"}},
                              "name: file\nelection-timeout: 2000\n");
  ASSERT_EQ(outcome.next, Outcome::Next::run);
  EXPECT_EQ(outcome.config.name, "file");
  EXPECT_EQ(outcome.config.election_timeout_ms, 2000u);
  EXPECT_EQ(outcome.config.config_file, "/conf");
  EXPECT_EQ(run({}, {{"ETCD_CONFIG_FILE", "/conf"}}, "name: file").config.name, "file");
  EXPECT_EQ(refusal(run({"--config-file=/none"})), R"("open /none: no such file or directory")");
  EXPECT_NE(refusal(run({"--config-file=/conf"}, {}, std::string(kConfigFileBytesMax + 1, '#')))
                .find("more than 1048576"),
            std::string::npos);
}

// FLG-06
TEST(CommandLine, ListenWithoutAdvertise) {
  EXPECT_EQ(refusal(run({"--listen-client-urls=http://127.0.0.1:1"})),
            R"("--advertise-client-urls is required when --listen-client-urls is set explicitly")");
  EXPECT_EQ(run({"--listen-client-urls=http://127.0.0.1:1", "--advertise-client-urls=http://a:1"}).next,
            Outcome::Next::run);
}

// FLG-07
TEST(CommandLine, NameAloneNamesTheCluster) {
  const Outcome outcome = run({"--name=m1", "--initial-advertise-peer-urls=http://h:2,http://h:1"});
  EXPECT_EQ(outcome.config.initial_cluster, "m1=http://h:1,m1=http://h:2");
  EXPECT_EQ(outcome.config.data_dir, "m1.etcd");
}

TEST(CommandLine, AdvertisesTheMachineWhenListeningEverywhere) {
  const Outcome outcome =
      run({"--name=m1", "--listen-peer-urls=http://0.0.0.0:12380"});
  EXPECT_EQ(join_urls(outcome.config.initial_advertise_peer_urls), "http://10.1.2.3:12380");
  EXPECT_EQ(outcome.config.initial_cluster, "m1=http://10.1.2.3:12380");
  EXPECT_EQ(join_urls(outcome.config.advertise_client_urls), "http://localhost:2379");
  EXPECT_TRUE(has_notice(outcome, "detected default host for advertise"));
}

// FLG-10, FLG-11, VD-15
TEST(CommandLine, OldFlagsAndShortTimeouts) {
  EXPECT_EQ(run({"--snapshot", "-v", "--max-retry-attempts=3"}).next, Outcome::Next::run);
  // What 3.7 took out is as unknown as what never was; one that stayed means nothing any more.
  for (const char* gone : {"--discovery=http://a", "--discovery-proxy=a", "--enable-v2=true", "--proxy=off",
                           "--experimental-initial-corrupt-check", "--experimental-compaction-batch-limit=5"})
    EXPECT_EQ(run({gone}).exit_code, 2) << gone;
  EXPECT_EQ(run({"--v2-deprecation=gone"}).next, Outcome::Next::run);
  EXPECT_EQ(run({"--v2-deprecation=gone,write-only"}).next, Outcome::Next::run);
  const Outcome outcome = run({"--raft-read-timeout=1s"});
  EXPECT_EQ(outcome.next, Outcome::Next::run);
  EXPECT_EQ(outcome.config.raft_read_timeout, std::chrono::seconds(5));
  EXPECT_TRUE(has_notice(outcome, "raft-read-timeout increased to minimum value: 5s"));
}

TEST(CommandLine, UnbuiltFlagsAreRefusedByName) {
  EXPECT_EQ(refusal(run({"--distributed-tracing-address=a:1"})),
            R"("--distributed-tracing-address is not supported by this version of holdfast yet")");
  EXPECT_EQ(refusal(run({"--enable-distributed-tracing", "--bcrypt-cost=4"})),
            R"("--bcrypt-cost is not supported by this version of holdfast yet; --enable-distributed-tracing is )"
            R"(not supported by this version of holdfast yet")");
  EXPECT_EQ(run({"--enable-pprof"}).next, Outcome::Next::run) << "etcd's sample configuration has it";  // HTTP-10
  EXPECT_EQ(run({"--enable-distributed-tracing=false", "--auth-token=simple"}).next, Outcome::Next::run);
  EXPECT_EQ(run({"--feature-gates=TxnModeWriteWithSharedBuffer=false"}).next, Outcome::Next::run);
}

TEST(CommandLine, EveryFlagTakesItsOwnDefault) {
  for (const Flag& flag : flag_table()) {
    if (flag.name == "config-file") continue;
    const Outcome outcome =
        run({"--advertise-client-urls=http://localhost:2379",
             "--" + std::string(flag.name) + "=" + std::string(flag.default_text)});
    // Empty lists become lists of one empty text, as in etcd.
    if (flag.default_text.empty() && std::holds_alternative<SortedTexts>(flag.field)) continue;
    if (flag.default_text.empty() && std::holds_alternative<OrderedTexts>(flag.field)) continue;
    EXPECT_EQ(outcome.next, Outcome::Next::run) << flag.name << ": " << refusal(outcome);
  }
}

}  // namespace
}  // namespace holdfast::config
