// Series of the apply path (parity MET-01, MET-03, MET-09, MET-15). Private to apply/.
#pragma once

#include <array>
#include <map>
#include <string>

#include "apply/parsed_request.h"
#include "env/metrics.h"
#include "membership/cluster.h"

namespace holdfast::apply {

struct ApplyMetrics {
  explicit ApplyMetrics(env::Metrics& metrics);

  // etcd_server_apply_duration_seconds{version="v3",op,success}
  void observe_apply(CommandKind kind, bool success, env::Duration took);
  void observe_range(bool success, env::Duration took);
  void show(const membership::Cluster& cluster, MemberId self);

  env::Metrics& metrics;
  env::Counter& slow;

 private:
  env::Histogram& apply_seconds(CommandKind kind, bool success);

  std::map<CommandKind, std::array<env::Histogram*, 2>> others_;
  std::array<env::Histogram*, 2> puts_ = {};
  std::string shown_version_;
};

}  // namespace holdfast::apply
