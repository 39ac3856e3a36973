#include "apply/apply_metrics.h"

#include "base/log.h"

namespace holdfast::apply {

namespace {

const char* label(bool value) { return value ? "true" : "false"; }
double seconds(env::Duration d) { return std::chrono::duration<double>(d).count(); }

}  // namespace

ApplyMetrics::ApplyMetrics(env::Metrics& m)
    : metrics(m),
      slow(m.counter("etcd_server_slow_apply_total",
                     "The total number of slow apply requests (likely overloaded from slow disk).")) {}

env::Histogram& ApplyMetrics::apply_seconds(CommandKind kind, bool success) {
  std::array<env::Histogram*, 2>& pair = kind == CommandKind::put ? puts_ : others_[kind];
  env::Histogram*& histogram = pair[success ? 1 : 0];
  if (histogram == nullptr)
    histogram = &metrics.histogram("etcd_server_apply_duration_seconds",
                                   "The latency distributions of v2 apply called by backend.",
                                   env::exponential_buckets(0.0001, 2, 20),
                                   {{"version", "v3"},
                                    {"op", std::string(operation_name(kind))},
                                    {"success", label(success)}});
  return *histogram;
}

void ApplyMetrics::observe_apply(CommandKind kind, bool success, env::Duration took) {
  apply_seconds(kind, success).observe(seconds(took));
}

void ApplyMetrics::observe_range(bool success, env::Duration took) {
  metrics
      .histogram("etcd_server_range_duration_seconds",
                 "The latency distributions of txn.Range",
                 env::exponential_buckets(0.0001, 2, 20), {{"success", label(success)}})
      .observe(seconds(took));
}

void ApplyMetrics::show(const membership::Cluster& cluster, MemberId self) {
  const std::string version = cluster.version() ? cluster.version()->major_minor() : "";
  const auto version_gauge = [&](const std::string& which) -> env::Gauge& {
    return metrics.gauge("etcd_cluster_version",
                         "Which version is running. 1 for 'cluster_version' label with current "
                         "cluster version",
                         {{"cluster_version", which}});
  };
  if (version != shown_version_) {
    if (!shown_version_.empty()) version_gauge(shown_version_).set(0);
    if (!version.empty()) version_gauge(version).set(1);
    shown_version_ = version;
  }
  if (!self) return;
  const auto show_peer = [&](MemberId id, double known) {
    metrics
        .gauge("etcd_network_known_peers", "The current number of known peers.",
               {{"Local", hex_id(self.value)}, {"Remote", hex_id(id.value)}})
        .set(known);
  };
  for (const auto& [id, member] : cluster.members()) show_peer(id, 1);
  for (MemberId id : cluster.removed()) show_peer(id, 0);
  const membership::Member* me = cluster.find(self);
  metrics
      .gauge("etcd_server_is_learner",
             "Whether or not this member is a learner. 1 if is, 0 otherwise.")
      .set(me != nullptr && me->is_learner ? 1 : 0);
}

}  // namespace holdfast::apply
