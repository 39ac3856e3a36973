#include "server/request_metrics.h"

namespace holdfast::server {

namespace {
struct Named {
  Command command;
  std::string_view name;
};
constexpr Named kNames[] = {
    {Command::range, "Range"},
    {Command::put, "Put"},
    {Command::delete_range, "DeleteRange"},
    {Command::txn, "Txn"},
    {Command::compaction, "Compaction"},
    {Command::lease_grant, "LeaseGrant"},
    {Command::lease_revoke, "LeaseRevoke"},
    {Command::alarm, "Alarm"},
    {Command::lease_checkpoint, "LeaseCheckpoint"},
    {Command::auth_enable, "AuthEnable"},
    {Command::auth_disable, "AuthDisable"},
    {Command::authenticate, "Authenticate"},
    {Command::auth_status, "AuthStatus"},
    {Command::auth_user_add, "AuthUserAdd"},
    {Command::auth_user_delete, "AuthUserDelete"},
    {Command::auth_user_get, "AuthUserGet"},
    {Command::auth_user_change_password, "AuthUserChangePassword"},
    {Command::auth_user_grant_role, "AuthUserGrantRole"},
    {Command::auth_user_revoke_role, "AuthUserRevokeRole"},
    {Command::auth_user_list, "AuthUserList"},
    {Command::auth_role_list, "AuthRoleList"},
    {Command::auth_role_add, "AuthRoleAdd"},
    {Command::auth_role_delete, "AuthRoleDelete"},
    {Command::auth_role_get, "AuthRoleGet"},
    {Command::auth_role_grant_permission, "AuthRoleGrantPermission"},
    {Command::auth_role_revoke_permission, "AuthRoleRevokePermission"},
    {Command::cluster_version_set, "ClusterVersionSet"},
    {Command::cluster_member_attr_set, "ClusterMemberAttrSet"},
    {Command::downgrade_info_set, "DowngradeInfoSet"},
    {Command::conf_change, "ConfChange"},
};
}  // namespace

std::string_view name(Command command) {
  for (const Named& named : kNames)
    if (named.command == command) return named.name;
  return "Unknown";
}

RequestMetrics::RequestMetrics(env::Metrics& metrics)
    : pending_(metrics.gauge("etcd_server_proposals_pending", "Pending proposals to commit.")),
      failed_(metrics.counter("etcd_server_proposals_failed_total", "Failed proposals seen.")) {
  const std::vector<double> buckets = env::exponential_buckets(0.001, 2, 14);
  for (const Named& named : kNames) {
    const auto series = [&](const char* success) {
      return &metrics.histogram("etcd_server_request_duration_seconds",
                                "Seconds from proposing a request to its result.", buckets,
                                {{"type", std::string(named.name)}, {"success", success}});
    };
    durations_[named.command] = {series("true"), series("false")};
  }
}

void RequestMetrics::on_answered(Command command, env::Duration took, bool success, Outcome outcome) {
  pending_.add(-1);
  if (outcome == Outcome::gave_up) failed_.increment();
  const auto it = durations_.find(command);
  if (it == durations_.end()) return;
  const double seconds = static_cast<double>(took.count()) / 1e9;
  (success ? it->second.success : it->second.failure)->observe(seconds);
}

}  // namespace holdfast::server
