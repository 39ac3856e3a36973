// What a start finds out and says of its settings.
#include <gtest/gtest.h>

#include "apps/holdfast/flag_table.h"
#include "apps/holdfast/local_address.h"
#include "apps/holdfast/settings_report.h"

namespace holdfast::config {
namespace {

// FG-07: loopback and "any" don't count, nor do names.
TEST(LocalAddress, FirstThatOthersCanReach) {
  NullLogger log;
  const auto found = [&](std::string_view urls, std::string_view gates = "SetMemberLocalAddr=true") {
    Config config = default_config();
    EXPECT_TRUE(config.feature_gates.set(gates).ok());
    config.initial_advertise_peer_urls = parse_urls(urls).value();
    return find_local_address(config, log);
  };
  EXPECT_EQ(found("http://10.1.2.3:2380"), "10.1.2.3");
  EXPECT_EQ(found("http://10.1.2.3:2380", ""), "");
  EXPECT_EQ(found("http://127.0.0.1:1,http://127.9.9.9:1,http://[::1]:1,http://0.0.0.0:1,http://[::]:1"), "");
  EXPECT_EQ(found("http://127.0.0.1:1,https://192.0.2.7:1"), "192.0.2.7");
  EXPECT_EQ(found("https://[fd00::2]:2380"), "fd00::2");
  EXPECT_EQ(found("https://[::ffff:127.0.0.1]:2380"), "");
  EXPECT_EQ(found("https://member.example:2380,https://10.0.0.9:2380"), "10.0.0.9");
  EXPECT_EQ(found("unix://a:1"), "");
}

std::string value_of(const std::vector<LogField>& fields, std::string_view name) {
  for (const LogField& field : fields)
    if (field.name == name) return field.json;
  return "no such field";
}

TEST(SettingsReport, NamesAndFormsAreEtcds) {
  Config config = default_config();
  config.snapshot_catchup_entries = 1000;
  config.heartbeat_interval_ms = 100;
  config.election_timeout_ms = 1250;
  config.resolved.compaction_period = std::chrono::hours(1);
  const auto fields = settings_report(
      config, {.initial_cluster = "a=http://a:1", .member_dir = "d/member", .quota_backend_bytes = 5});
  EXPECT_EQ(value_of(fields, "etcd-version"), R"("3.7.1")");
  EXPECT_EQ(value_of(fields, "snapshot-catchup-entries"), "1000");
  EXPECT_EQ(value_of(fields, "v2-deprecation"), R"("write-only")");
  EXPECT_EQ(value_of(fields, "election-timeout"), R"("1.2s")") << "in whole heartbeats";
  EXPECT_EQ(value_of(fields, "auto-compaction-interval"), R"("1h0m0s")");
  EXPECT_EQ(value_of(fields, "initial-cluster"), R"("a=http://a:1")");
  EXPECT_EQ(value_of(fields, "listen-metrics-urls"), "[]");
  EXPECT_EQ(value_of(fields, "member-initialized"), "false");
}

}  // namespace
}  // namespace holdfast::config
